/** What a runtime calls the plugin with: the environment and the network's configuration (CNI specification, sections 1 and 2). */
import { CniFailure, codes } from './failure.js';

/** The same as the plugin's, which tells them by itself (native/cni/main.cc). */
export const versions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export const latest = '1.1.0';

/** Attachment that a runtime still has; of GC. */
export interface ValidAttachment {
  containerID: string;
  ifname: string;
}

/** As it came; only what is used is named, and checked where it is used. */
export interface NetConf {
  cniVersion: string;
  name: string;
  type?: string;
  ipam?: { type?: string };
  prevResult?: Record<string, unknown>;
  runtimeConfig?: Record<string, unknown>;
  args?: { cni?: Record<string, unknown> };
  'cni.dev/valid-attachments'?: ValidAttachment[];
  [key: string]: unknown;
}

export interface Call {
  command: string;
  container: string;
  netns: string;
  interface: string;
  args: Map<string, string>;
  /** Folders with plugins. */
  path: string[];
  conf: NetConf;
  /** As it came, for the IPAM plugin. */
  input: string;
}

/** What each command must be given; netns may be gone by DEL. */
const needed: Record<string, string[]> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: [],
  STATUS: [],
};

export function readCall(env: Record<string, string | undefined>, input: string): Call {
  const command = env.CNI_COMMAND ?? '';
  const required = needed[command];
  if (!required) {
    throw new CniFailure(codes.environment, `CNI_COMMAND: unknown command "${command}"`);
  }
  const missing = required.filter((name) => !env[name]);
  if (missing.length > 0) {
    throw new CniFailure(codes.environment, `${missing.join(', ')} must be set for ${command}`);
  }
  const conf = parseConf(input);
  checkConf(conf);
  checkNames(env);
  return {
    command,
    container: env.CNI_CONTAINERID ?? '',
    netns: env.CNI_NETNS ?? '',
    interface: env.CNI_IFNAME ?? '',
    args: parseArgs(env.CNI_ARGS ?? ''),
    path: (env.CNI_PATH ?? '').split(':').filter(Boolean),
    conf,
    input,
  };
}

function parseConf(input: string): NetConf {
  try {
    const conf = JSON.parse(input);
    if (typeof conf === 'object' && conf !== null && !Array.isArray(conf)) {
      return conf as NetConf;
    }
  } catch (error) {
    throw new CniFailure(codes.decode, 'the configuration is no JSON', (error as Error).message);
  }
  throw new CniFailure(codes.decode, 'the configuration is no JSON object');
}

function checkConf({ cniVersion, name }: NetConf): void {
  if (!(versions as readonly string[]).includes(cniVersion)) {
    const known = versions.join(', ');
    throw new CniFailure(codes.version, `cniVersion ${cniVersion} is none of ${known}`);
  }
  if (typeof name !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    throw new CniFailure(codes.config, `name: must be the network's name, got ${name}`);
  }
}

/** Both become parts of paths. */
function checkNames({
  CNI_CONTAINERID = '',
  CNI_IFNAME = '',
}: Record<string, string | undefined>): void {
  if (CNI_CONTAINERID && !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(CNI_CONTAINERID)) {
    throw new CniFailure(codes.environment, `CNI_CONTAINERID: no id: ${CNI_CONTAINERID}`);
  }
  if (CNI_IFNAME && !/^(?!\.{1,2}$)[^\s/:,%]{1,15}$/.test(CNI_IFNAME)) {
    throw new CniFailure(codes.environment, `CNI_IFNAME: no name of an interface: ${CNI_IFNAME}`);
  }
}

function parseArgs(text: string): Map<string, string> {
  const pairs = text.split(';').map((pair) => /^([^=]+)=(.*)$/s.exec(pair));
  return new Map(pairs.filter((m) => m !== null).map(([, key = '', value = '']) => [key, value]));
}

/** Runtimes differ in how they write keys: portMappings, or PortMappings. */
export function lowerKeys(given: unknown): Record<string, unknown> {
  const entries = typeof given === 'object' && given !== null ? Object.entries(given) : [];
  return Object.fromEntries(entries.map(([key, value]) => [key.toLowerCase(), value]));
}

/** What may be given in several places: the runtime's capabilities, CNI_ARGS, `args.cni`, the configuration itself. */
export function asked({ conf, args }: Call, name: string): unknown {
  return (
    lowerKeys(conf.runtimeConfig)[name.toLowerCase()] ??
    args.get(name.toUpperCase()) ??
    conf.args?.cni?.[name] ??
    conf[name]
  );
}
