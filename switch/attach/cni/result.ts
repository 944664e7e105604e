/** Results in the shape of each version of the specification (section 5, Success). */
import type { AttachmentStatus } from '../attachment.js';
import type { Call } from './call.js';
import type { IpamResult } from './ipam.js';

interface Interface {
  name: string;
  mac?: string;
  sandbox?: string;
  [key: string]: unknown;
}

interface Previous {
  interfaces?: Interface[];
  ips?: Record<string, unknown>[];
  routes?: Record<string, unknown>[];
  dns?: Record<string, unknown>;
}

/** What a plugin before us in the chain has made stays in front, with its indexes. */
export function resultOf(call: Call, made: AttachmentStatus, ipam: IpamResult): object {
  const { cniVersion, prevResult } = call.conf;
  const { interfaces = [], ips = [], routes = [], dns = {} } = (prevResult ?? {}) as Previous;
  // As the reference plugins have it: the host's end of a veth first, without a sandbox.
  const before = [...interfaces, ...(made.host ? [hostInterface(call, made, made.host)] : [])];
  const ours = (ipam.ips ?? []).map(({ address, gateway }) => ({
    ...(cniVersion < '1.0.0' && { version: address.includes(':') ? '6' : '4' }),
    interface: before.length,
    address,
    ...(gateway && { gateway }),
  }));
  return {
    cniVersion,
    interfaces: [...before, interfaceOf(call, made)],
    ips: [...ips, ...ours],
    routes: [...routes, ...(ipam.routes ?? []).map((route) => routeOf(cniVersion, route))],
    dns: { ...dns, ...ipam.dns },
  };
}

/** A memif interface has no face in the kernel, but it is the pod's: runtimes count the addresses of its sandbox only. */
function interfaceOf({ conf, netns, interface: name }: Call, made: AttachmentStatus): Interface {
  const { mac, mtu, kind, socket, device } = made;
  return {
    name,
    mac,
    ...(conf.cniVersion >= '1.1.0' && {
      mtu,
      ...(kind === 'memif' && { socketPath: socket }),
      ...(kind === 'vf' && { pciID: device }),
    }),
    sandbox: netns,
  };
}

function hostInterface(
  { conf }: Call,
  { mtu }: AttachmentStatus,
  { name, mac }: NonNullable<AttachmentStatus['host']>,
): Interface {
  return { name, mac, ...(conf.cniVersion >= '1.1.0' && { mtu }) };
}

function routeOf(cniVersion: string, route: Record<string, unknown>): Record<string, unknown> {
  const { dst, gw } = route;
  return cniVersion >= '1.1.0' ? route : { dst, ...(gw !== undefined && { gw }) };
}
