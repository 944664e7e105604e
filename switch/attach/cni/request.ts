/**
 * A call as an attachment of the switch. The configuration may speak our own words, or those of the userspace CNI plugin
 * (host, container, engine, iftype, netType, memif, bridge, sharedDir), so that its networks work with `type` changed.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AttachmentDriver,
  type AttachmentKind,
  type AttachmentRequest,
  attachmentDrivers,
  attachmentModes,
} from '../attachment.js';
import { asked, type Call, lowerKeys, type NetConf } from './call.js';
import { CniFailure, codes } from './failure.js';

const usualFolder = '/run/memswitch/pods';
/** What a rate limit of the switch lets pass at once. */
const longestBurstMs = 10_000;
/** sun_path has 108 bytes, with the NUL that ends it. */
const longestPath = 107;

interface Userspace {
  engine?: string;
  iftype?: string;
  netType?: string;
  memif?: { role?: string; mode?: string; socketfile?: string };
  bridge?: { bridgeName?: string; bridgeId?: number; vlanId?: number };
}

/** The same for each repetition of a call; one container has one interface of a name. */
export function idOf(network: string, container: string, interface_: string): string {
  const digest = createHash('sha256')
    .update(`${network}\0${container}\0${interface_}`)
    .digest('hex');
  return `cni-${digest.slice(0, 16)}`;
}

export function requestOf(call: Call): AttachmentRequest {
  const { conf } = call;
  refusePorts(asked(call, 'portMappings'));
  const host = userspaceOf(conf);
  const driver = driverOf(conf);
  const kind = kindOf(conf, host, driver);
  const request: AttachmentRequest = {
    network: conf.name,
    container: call.container,
    interface: call.interface,
    kind,
    ...(driver !== undefined && { driver }),
    bridge: bridgeOf(conf, host),
    ...(kind !== 'memif' && { netns: call.netns }),
    ...options(call),
  };
  if (kind === 'memif') {
    Object.assign(request, memifOptions(call, host));
  }
  if (kind === 'vf') {
    const device = asked(call, 'deviceID');
    request.device = text(device, 'deviceID', /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/);
    request.holder = choice(conf.holder ?? 'pod', 'holder', ['pod', 'switch']);
    if (request.holder === 'pod' && (request.port || request.mode)) {
      const what = 'bandwidth, mode and port need a port of the switch';
      throw new CniFailure(codes.unsupported, `${what}: give the vf the "holder" switch`);
    }
  }
  return request;
}

/** Whoever declares the capability for us expects them to work. */
function refusePorts(mappings: unknown): void {
  if (Array.isArray(mappings) && mappings.length > 0) {
    const hint = 'chain the plugin portmap behind it, and declare the capability there';
    throw new CniFailure(codes.unsupported, `portMappings are not supported; ${hint}`);
  }
}

function driverOf({ driver }: NetConf): AttachmentDriver | undefined {
  return driver === undefined ? undefined : choice(driver, 'driver', attachmentDrivers);
}

/** A driver is one of the kernel's. */
function kindOf(
  conf: NetConf,
  host: Userspace | undefined,
  driver: AttachmentDriver | undefined,
): AttachmentKind {
  if (host?.iftype === 'vhostuser') {
    throw new CniFailure(codes.unsupported, 'host.iftype: vhostuser is not supported; use memif');
  }
  const usual = driver === undefined ? 'memif' : 'kernel';
  const kind = choice(conf.kind ?? usual, 'kind', ['memif', 'kernel', 'vf']);
  if (driver !== undefined && kind !== 'kernel') {
    throw new CniFailure(codes.config, `driver: is for the kind kernel, not for ${kind}`);
  }
  return kind;
}

/** `engine` tells nothing here: whatever it is, the switch is it. */
function userspaceOf(conf: NetConf): Userspace | undefined {
  const host = conf.host as Userspace | undefined;
  if (host?.memif?.mode !== undefined && host.memif.mode !== 'ethernet') {
    throw new CniFailure(codes.unsupported, `host.memif.mode: ${host.memif.mode} is not supported`);
  }
  if (host?.bridge?.vlanId) {
    const hint = 'give the port its VLAN by "port": { "access": … } on a bridge that has VLANs';
    throw new CniFailure(codes.unsupported, `host.bridge.vlanId is not supported; ${hint}`);
  }
  return host;
}

function bridgeOf(conf: NetConf, host: Userspace | undefined): string {
  const { bridgeName, bridgeId } = host?.bridge ?? {};
  const named = typeof conf.bridge === 'string' ? conf.bridge : undefined;
  const bridge = named ?? bridgeName ?? (bridgeId === undefined ? conf.name : `bridge${bridgeId}`);
  return text(bridge, 'bridge', /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
}

function options(call: Call): Partial<AttachmentRequest> {
  const { conf } = call;
  const [mac, mtu] = [asked(call, 'mac'), asked(call, 'mtu')];
  const { queues, ringSize, bufferSize, mode } = conf;
  const port = portOf(call);
  return {
    ...(mac !== undefined && { mac: text(mac, 'mac', /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i) }),
    ...(mtu !== undefined && { mtu: number(mtu, 'mtu', 68, 65_517) }),
    ...(queues !== undefined && { queues: number(queues, 'queues', 1, 256) }),
    ...(ringSize !== undefined && { ringSize: number(ringSize, 'ringSize', 2, 16_384) }),
    ...(bufferSize !== undefined && { bufferSize: number(bufferSize, 'bufferSize', 64, 65_535) }),
    ...(mode !== undefined && { mode: choice(mode, 'mode', attachmentModes) }),
    ...(port !== undefined && { port }),
  };
}

/** Further options of the switch's port; the runtime's own limit takes the place of the configuration's. */
function portOf(call: Call): Record<string, unknown> | undefined {
  const port = call.conf.port as Record<string, unknown> | undefined;
  const rateLimit = rateLimitOf(asked(call, 'bandwidth'));
  return rateLimit ? { ...port, rateLimit } : port;
}

/**
 * The convention `bandwidth` (CNI conventions, capabilities): bits a second and bits at once, as the container sees them: what
 * comes in to it leaves by our port.
 */
function rateLimitOf(given: unknown): object | undefined {
  const bandwidth = lowerKeys(given);
  const limit = (way: 'ingress' | 'egress') => {
    const rate = number(bandwidth[`${way}rate`] ?? 0, `bandwidth.${way}Rate`, 0, 1e12);
    const bits = number(bandwidth[`${way}burst`] ?? 0, `bandwidth.${way}Burst`, 0, 1e15);
    const burst = Math.min(Math.max(Math.ceil((1000 * bits) / rate), 1), longestBurstMs);
    return rate === 0 ? undefined : { bits: rate, ...(bits > 0 && { burst }) };
  };
  const [rx, tx] = [limit('egress'), limit('ingress')];
  return rx || tx ? { ...(rx && { rx }), ...(tx && { tx }) } : undefined;
}

/** The switch serves the socket unless the configuration says otherwise: `host.memif.role` is the switch's own. */
function memifOptions(call: Call, host: Userspace | undefined): Partial<AttachmentRequest> {
  const { conf } = call;
  const role = conf.role ?? (host?.memif?.role === 'slave' ? 'client' : 'server');
  const [owner, group] = [asked(call, 'owner'), asked(call, 'group')];
  return {
    socket: socketOf(call, host),
    role: choice(role, 'role', ['server', 'client']),
    ...(owner !== undefined && { owner: account(owner, 'owner', '/etc/passwd') }),
    ...(group !== undefined && { group: account(group, 'group', '/etc/group') }),
  };
}

/** A folder a pod, which it mounts; the userspace plugin has one that the configuration names, and its own names in it. */
function socketOf({ conf, args, container, interface: name }: Call, host: Userspace | undefined) {
  const shared = conf.sharedDir as string | undefined;
  const pod = args.get('K8S_POD_UID') || container;
  const path =
    host?.memif?.socketfile?.startsWith('/') === true
      ? host.memif.socketfile
      : shared !== undefined
        ? join(shared, host?.memif?.socketfile ?? `memif-${container.slice(0, 12)}-${name}.sock`)
        : join((conf.folder as string | undefined) ?? usualFolder, pod, `${name}.sock`);
  if (!path.startsWith('/') || Buffer.byteLength(path) > longestPath) {
    const what = `must be an absolute path of at most ${longestPath} bytes`;
    throw new CniFailure(codes.config, `the socket ${path} ${what}; name a shorter "folder"`);
  }
  return path;
}

function text(value: unknown, what: string, pattern: RegExp): string {
  if (typeof value !== 'string' || !pattern.test(value)) {
    throw new CniFailure(codes.config, `${what}: not valid: ${JSON.stringify(value)}`);
  }
  return value;
}

/** From CNI_ARGS numbers come as text. */
function number(value: unknown, what: string, low: number, high: number): number {
  const given = Number(value);
  if (!(Number.isInteger(given) && given >= low && given <= high)) {
    const range = `must be an integer from ${low} to ${high}`;
    throw new CniFailure(codes.config, `${what}: ${range}, got ${JSON.stringify(value)}`);
  }
  return given;
}

function choice<const T extends string>(value: unknown, what: string, known: readonly T[]): T {
  const found = known.find((it) => it === value);
  if (found === undefined) {
    const list = known.join(', ');
    throw new CniFailure(codes.config, `${what}: must be one of ${list}, got ${String(value)}`);
  }
  return found;
}

/** By number, or by the host's name for it. */
function account(value: unknown, what: string, file: string): number {
  if (/^\d+$/.test(String(value))) {
    return number(value, what, 0, 2 ** 32 - 2);
  }
  const lines = readFileSync(file, 'utf8').split('\n');
  const fields = lines.map((line) => line.split(':')).find(([found]) => found === value);
  if (fields?.[2] === undefined) {
    throw new CniFailure(codes.config, `${what}: ${file} has no ${String(value)}`);
  }
  return Number(fields[2]);
}
