/** Delegation to the IPAM plugin that the configuration names (CNI specification, section 4). */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { Call } from './call.js';
import { CniFailure, codes } from './failure.js';

export interface IpamResult {
  ips?: { address: string; gateway?: string }[];
  routes?: ({ dst: string; gw?: string } & Record<string, unknown>)[];
  dns?: Record<string, unknown>;
}

/** A call to it; of one that is made later, for the garbage collector, only this is kept. */
export interface IpamCall {
  type: string;
  container: string;
  netns: string;
  interface: string;
  args: string;
  path: string[];
  input: string;
}

/** The versions from which on a plugin that knows one of them knows GC and STATUS. */
const newest = '1.1.0';
/** The last in which results have the shape of the newest, for plugins that were written before it. */
const before = '1.0.0';

export function ipamCallOf(call: Call): IpamCall | undefined {
  const type = call.conf.ipam?.type;
  if (!type) {
    return undefined;
  }
  const { container, netns, path, input } = call;
  const args = [...call.args].map(([key, value]) => `${key}=${value}`).join(';');
  return { type, container, netns, interface: call.interface, args, path, input };
}

export function ipamAdd(call: IpamCall): IpamResult {
  return JSON.parse(run(call, 'ADD')) as IpamResult;
}

/** GC and STATUS are asked only of those that know them. */
export function ipamAsk(call: IpamCall, command: 'DEL' | 'CHECK' | 'GC' | 'STATUS'): void {
  if ((command === 'GC' || command === 'STATUS') && !knowsNewest(call)) {
    return;
  }
  run(call, command);
}

function run(call: IpamCall, command: string): string {
  const { status, stdout, stderr, error } = execute(call, command, call.input);
  if (status === 0) {
    return stdout;
  }
  const failure = failureOf(stdout);
  if (failure?.code === codes.version && versionOf(call.input) === newest) {
    return run({ ...call, input: withVersion(call.input, before) }, command);
  }
  const why = failure?.msg ?? error?.message ?? (stderr.trim() || `it ended with ${status}`);
  const code = failure?.code ?? codes.refused;
  throw new CniFailure(code, `IPAM plugin ${call.type}: ${why}`, failure?.details);
}

function execute(call: IpamCall, command: string, input: string) {
  const env = {
    ...process.env,
    CNI_COMMAND: command,
    CNI_CONTAINERID: call.container,
    CNI_NETNS: call.netns,
    CNI_IFNAME: call.interface,
    CNI_ARGS: call.args,
    CNI_PATH: call.path.join(':'),
  };
  return spawnSync(find(call), { env, input, encoding: 'utf8' });
}

function find({ type, path }: IpamCall): string {
  const found = path
    .map((folder) => join(folder, type))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
  if (found === undefined || type.includes('/')) {
    throw new CniFailure(codes.config, `no IPAM plugin ${type} in ${path.join(', ')}`);
  }
  return found;
}

function knowsNewest(call: IpamCall): boolean {
  const { stdout } = execute(call, 'VERSION', JSON.stringify({ cniVersion: newest }));
  try {
    return (JSON.parse(stdout) as { supportedVersions: string[] }).supportedVersions.includes(
      newest,
    );
  } catch {
    return false;
  }
}

function failureOf(stdout: string): { code: number; msg: string; details?: string } | undefined {
  try {
    return JSON.parse(stdout) as { code: number; msg: string };
  } catch {
    return undefined;
  }
}

function versionOf(input: string): string {
  return (JSON.parse(input) as { cniVersion: string }).cniVersion;
}

function withVersion(input: string, cniVersion: string): string {
  return JSON.stringify({ ...JSON.parse(input), cniVersion });
}
