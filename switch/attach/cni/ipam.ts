/** Delegation to the IPAM plugin that the configuration names (CNI specification, section 4). */
import type { Call } from './call.js';
import type { Caller, Outcome } from './caller.js';
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

/** Whether it asks by the container's interface, which must be there as long as the addresses are. */
export function isAskedByInterface({ type }: IpamCall): boolean {
  return type === 'dhcp';
}

export async function ipamAdd(call: IpamCall, caller: Caller): Promise<IpamResult> {
  return JSON.parse(await run(call, 'ADD', caller)) as IpamResult;
}

/** GC and STATUS are asked only of those that know them. */
export async function ipamAsk(
  call: IpamCall,
  command: 'DEL' | 'CHECK' | 'GC' | 'STATUS',
  caller: Caller,
): Promise<void> {
  if ((command === 'GC' || command === 'STATUS') && !(await knowsNewest(call, caller))) {
    return;
  }
  await run(call, command, caller);
}

async function run(call: IpamCall, command: string, caller: Caller): Promise<string> {
  const { status, stdout, stderr } = await execute(call, command, call.input, caller);
  if (status === '0') {
    return stdout;
  }
  const failure = failureOf(stdout);
  if (failure?.code === codes.version && versionOf(call.input) === newest) {
    return run({ ...call, input: withVersion(call.input, before) }, command, caller);
  }
  const ended = /^\d+$/.test(status) ? `it ended with ${status}` : status;
  const why = failure?.msg ?? (stderr.trim() || ended);
  const code = failure?.code ?? codes.refused;
  throw new CniFailure(code, `IPAM plugin ${call.type}: ${why}`, failure?.details);
}

async function execute(
  call: IpamCall,
  command: string,
  input: string,
  caller: Caller,
): Promise<Outcome> {
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: call.container,
    CNI_NETNS: call.netns,
    CNI_IFNAME: call.interface,
    CNI_ARGS: call.args,
    CNI_PATH: call.path.join(':'),
  };
  const isName = !call.type.includes('/');
  const outcome = isName ? await caller.run(call.type, env, input) : undefined;
  if (outcome === undefined || outcome.status === 'absent') {
    throw new CniFailure(codes.config, `no IPAM plugin ${call.type} in ${call.path.join(', ')}`);
  }
  return outcome;
}

async function knowsNewest(call: IpamCall, caller: Caller): Promise<boolean> {
  const input = JSON.stringify({ cniVersion: newest });
  const { stdout } = await execute(call, 'VERSION', input, caller);
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
