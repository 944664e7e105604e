/**
 * Ports of kind `vxlan`: tunnels (RFC 7348) to Linux, VPP, OVS or another memswitch. The native half is native/ports/vxlan.
 */
import { createHash } from 'node:crypto';
import { BlockList, isIP, SocketAddress } from 'node:net';
import { z } from 'zod';
import { native } from '../switch/native.js';
import { flag, integer, name, netns, station, stationNumber } from './checks.js';
import { type CommonOptions, commonFields, ownOptions, type PortKind } from './kind.js';

const { limits } = native;

/** A tunnel: a network of its own between this switch and its remotes. */
export interface VxlanOptions extends CommonOptions {
  kind: 'vxlan';
  /** VXLAN network identifier, 0 to 16777215: the same at all ends. */
  vni: number;
  /** Address of this end (VTEP), IPv4 or IPv6: one that the host has. */
  local: string;
  /**
   * Addresses of the other ends, a list or text with commas, at most 1,023. What is for all goes to each of them; frames of
   * others are dropped, unless `learn`. May change on a live tunnel by {@link Switch.addRemote}. Default none.
   */
  remotes?: string[] | string | undefined;
  /** UDP port of all ends: 4789, or 8472 for old Linux and Flannel. Default 4789. */
  port?: number | undefined;
  /**
   * What carries the tunnel. `kernel`: UDP sockets of the host's own stack. Else the name of a port of this switch, which
   * leaves its bridge for as long as it carries tunnels. Default `kernel`.
   */
  underlay?: string | undefined;
  /**
   * Network namespace of the kernel's sockets: a name as of `ip netns`, a path, or a process id. Default: the switch's own.
   */
  netns?: string | number | undefined;
  /** Over a port: how many bits of their address neighbours share. Default 24, over IPv6 64. */
  prefix?: number | undefined;
  /** Over a port: the way to remotes that are not neighbours. Default none: all are. */
  gateway?: string | undefined;
  /** Over a port: VLAN of the outer frames, 1 to 4094; 0 = untagged. Default 0. */
  vlan?: number | undefined;
  /** Over a port: Ethernet address of this end. Default: 02:76 and four bytes made of `local`. */
  mac?: string | undefined;
  /** Over a port: longest outer IP packet, 576 to 65535 bytes. Default 1500. */
  pathMtu?: number | undefined;
  /**
   * Over a port: remotes or gateways, and their Ethernet addresses, that are never asked for: for an underlay where nobody
   * answers. A list of `address=mac`, or text with commas. Default none.
   */
  neighbors?: string[] | string | undefined;
  /** Takes frames of remotes that are not listed, and answers there. Default false. */
  learn?: boolean | undefined;
  /** Nothing goes from this tunnel to another of the same bridge: right for a full mesh. Default true. */
  splitHorizon?: boolean | undefined;
  /**
   * Answers packets that are too long for their way with ICMP "fragmentation needed" or "packet too big", in the name of
   * whom they are for, at most 100 a second and worker. Default false.
   */
  tellTooBig?: boolean | undefined;
  /**
   * Answers questions for the addresses of stations (ARP, Neighbour Discovery) that are known to be behind a remote, from
   * what was heard of them, instead of flooding them. Default false.
   */
  suppress?: boolean | undefined;
  /** Time to live of the outer packets, 1 to 255. Default 64. */
  ttl?: number | undefined;
  /** DSCP of the outer packets, 0 to 63, also as text, or `inherit`: the inner packet's. Default 0. */
  dscp?: number | string | undefined;
  /** Forbids fragments on the way; what is too long is dropped as `too_long`. Default true. */
  df?: boolean | undefined;
  /**
   * UDP checksums. With them the kernel joins and splits frames in batches. Without, as RFC 7348 suggests for IPv4; over
   * IPv6 (RFC 6935) the other end must be told as well. Default true; over a port and IPv4 false.
   */
  udpChecksum?: boolean | undefined;
  /** Range of UDP source ports, of which the inner flow's hash chooses one. Default '49152-65535'. */
  sourcePorts?: string | undefined;
}

/** Addresses that no VTEP can have. */
const nobody = new BlockList();
nobody.addAddress('0.0.0.0');
nobody.addAddress('255.255.255.255');
nobody.addSubnet('224.0.0.0', 4);
nobody.addAddress('::', 'ipv6');
nobody.addSubnet('ff00::', 8, 'ipv6');
nobody.addSubnet('fe80::', 10, 'ipv6');

/** An IPv4 address in IPv6's clothes (RFC 4291, 2.5.5) is refused as well: it has a way to be written of its own. */
function isVtep(address: string): boolean {
  const family = isIP(address);
  const mapped = address.toLowerCase().startsWith('::ffff:');
  return family !== 0 && !mapped && !nobody.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

const vtepError = 'must be the IP address of one host, for example 192.0.2.1 or 2001:db8::1';

/** IPv6 addresses can be written in several ways; they are kept in one (RFC 5952). */
function canonical(address: string): string {
  return isIP(address) === 6 ? new SocketAddress({ address, family: 'ipv6' }).address : address;
}

/** Address of a VTEP: neither a group's, nor of a link alone. */
export const vtepSchema = z
  .string({ error: vtepError })
  .refine(isVtep, { error: vtepError })
  .transform(canonical);

const remotesError = `must be a list of at most ${limits.remotes} IP addresses`;
const separator = /[\s,]+/;

const remotesSchema = z.union(
  [
    z.array(vtepSchema).max(limits.remotes, { error: remotesError }),
    z
      .string()
      .refine((text) => text.split(separator).every(isVtep))
      .transform((text) => text.split(separator).map(canonical)),
  ],
  { error: remotesError },
);

const neighborError = `must be at most ${limits.remotes} neighbours, such as 192.0.2.2=02:00:00:00:00:02`;

function neighbor(text: string): [address: string, mac: string] {
  const [address = '', mac = '', ...more] = text.split('=');
  return [canonical(address), more.length > 0 ? '' : mac];
}

function isNeighbor(text: string): boolean {
  const [address, mac] = neighbor(text);
  return isVtep(address) && station.safeParse(mac).success;
}

const neighborsSchema = z
  .union([z.array(z.string()), z.string().transform((text) => text.split(separator))], {
    error: neighborError,
  })
  .refine((list) => list.length <= limits.remotes && list.every(isNeighbor), {
    error: neighborError,
  })
  .transform((list) => list.map((text) => neighbor(text).join('=')));

const dscpError = 'must be an integer from 0 to 63, or inherit';
const codePoint = z.int().min(0, { error: dscpError }).max(63, { error: dscpError });
const digits = z.string().regex(/^\d+$/).transform(Number);

const rangeError = 'must be a range of ports from 1 to 65535, for example 49152-65535';

function range(text: string): [first: number, last: number] {
  const [first = Number.NaN, last = Number.NaN] = text.split('-').map(Number);
  return [first, last];
}

function isRange(text: string): boolean {
  const [first, last] = range(text);
  return /^\d+-\d+$/.test(text) && first >= 1 && first <= last && last <= 65_535;
}

const macError = 'must be the Ethernet address of one station, for example 02:00:00:00:00:01';
const macSchema = z
  .string({ error: macError })
  .regex(/^[0-9a-fA-F][02468aceACE]([:-][0-9a-fA-F]{2}){5}$/, { error: macError });

const fields = z.strictObject({
  kind: z.literal('vxlan'),
  ...commonFields,
  vni: integer(0, 2 ** 24 - 1).describe('VXLAN network identifier'),
  local: vtepSchema.describe('Address of this end'),
  remotes: remotesSchema.default([]).describe('Addresses of the other ends'),
  port: integer(1, 65_535).default(4789).describe('UDP port of all ends'),
  underlay: name.default('kernel').describe('What carries the tunnel: kernel, or a port'),
  prefix: integer(0, 128).optional().describe('Over a port: bits that neighbours share'),
  gateway: vtepSchema.optional().describe('Over a port: the way to other remotes'),
  vlan: integer(0, 4094).default(0).describe('Over a port: VLAN; 0 = untagged'),
  mac: macSchema.optional().describe('Over a port: Ethernet address of this end'),
  pathMtu: integer(576, 65_535).default(1500).describe('Over a port: longest outer IP packet'),
  neighbors: neighborsSchema.default([]).describe('Over a port: neighbours that are not asked for'),
  netns: netns.optional().describe('Network namespace of the sockets'),
  learn: flag().default(false).describe('Takes frames of remotes that are not listed'),
  splitHorizon: flag().default(true).describe('Nothing goes from tunnel to tunnel of a bridge'),
  tellTooBig: flag().default(false).describe('Answers packets that are too long by ICMP'),
  suppress: flag().default(false).describe('Answers ARP and ND for stations behind remotes'),
  ttl: integer(1, 255).default(64).describe('Time to live of the outer packets'),
  dscp: z
    .union([z.literal('inherit'), codePoint, digits.pipe(codePoint)], { error: dscpError })
    .default(0)
    .describe('DSCP of the outer packets, or inherit'),
  df: flag().default(true).describe('Forbids fragments on the way'),
  udpChecksum: flag().optional().describe('UDP checksums'),
  sourcePorts: z
    .string({ error: rangeError })
    .refine(isRange, { error: rangeError })
    .default('49152-65535')
    .describe('Range of UDP source ports'),
});

type Complete = z.output<typeof fields>;

const schema = fields.superRefine((options, context) => {
  const { local, remotes, neighbors, gateway, prefix = 0, underlay, netns } = options;
  const refuse = (path: string, message: string, input: unknown) =>
    context.addIssue({ code: 'custom', path: [path], message, input });
  if (gateway !== undefined && isIP(gateway) !== isIP(local)) {
    refuse('gateway', `must be of the same family as local (${local})`, gateway);
  }
  if (isIP(local) === 4 && prefix > 32) {
    refuse('prefix', 'must be an integer from 0 to 32', prefix);
  }
  if (underlay !== 'kernel' && netns !== undefined) {
    refuse('netns', 'must not be given over a port: only sockets live in a namespace', netns);
  }
  const known = neighbors.map((text) => neighbor(text)[0]);
  for (const [index, address] of known.entries()) {
    if (isIP(address) !== isIP(local) || known.indexOf(address) !== index) {
      const message = `must be of the same family as local (${local}), each once`;
      refuse('neighbors', message, neighbors[index]);
    }
  }
  for (const [index, remote] of remotes.entries()) {
    const message = remoteMistake(local, remote, remotes.slice(0, index));
    if (message) {
      context.addIssue({ code: 'custom', path: ['remotes', index], message, input: remote });
    }
  }
});

/** Why an address cannot be a remote of a tunnel at `local`, beside `others`; undefined: it can. */
export function remoteMistake(local: string, remote: string, others: string[]): string | undefined {
  if (isIP(remote) !== isIP(local)) {
    return `must be of the same family as local (${local})`;
  }
  if (remote === local) {
    return 'must not be the local address';
  }
  return others.includes(remote) ? 'must not be listed twice' : undefined;
}

/** An address of local scope, the same at every start: neighbours remember it. */
function madeOf(local: string): bigint {
  const last =
    isIP(local) === 4
      ? Buffer.from(local.split('.').map(Number))
      : createHash('sha256').update(local).digest();
  return (0x0276n << 32n) | BigInt(last.readUInt32BE());
}

export const vxlan = {
  name: 'vxlan' as const,
  schema: schema satisfies z.ZodType<unknown, VxlanOptions>,
  toNative({ kind, macLimit, mtu, polling, ...all }, bridge, { portId }) {
    const options = ownOptions(all);
    const { netns = '', dscp, sourcePorts, underlay, prefix, gateway, mac, ...same } = options;
    const [firstSourcePort, lastSourcePort] = range(sourcePorts);
    const ipv4 = isIP(options.local) === 4;
    const kernel = underlay === 'kernel';
    return {
      kind,
      bridge,
      macLimit,
      mtu,
      polling: polling ?? '',
      vxlan: {
        ...same,
        netns,
        dscp: dscp === 'inherit' ? -1 : dscp,
        udpChecksum: options.udpChecksum ?? (kernel || !ipv4),
        underlay: kernel ? 0 : portId(underlay),
        prefix: prefix ?? (ipv4 ? 24 : 64),
        gateway,
        neighbors: options.neighbors.map((text) => {
          const [address, station] = neighbor(text);
          return { address, mac: stationNumber(station) };
        }),
        mac: mac === undefined ? madeOf(options.local) : BigInt(`0x${mac.replaceAll(/[:-]/g, '')}`),
        firstSourcePort,
        lastSourcePort,
      },
    };
  },
  underlay: ({ underlay }) => (underlay === 'kernel' ? undefined : underlay),
  identity({ local, port, vni, netns }) {
    return `VNI ${vni} at ${local} port ${port}${netns === undefined ? '' : ` in ${netns}`}`;
  },
  show(options) {
    const { kind: _, remotes, neighbors, ...rest } = ownOptions(options);
    const given = Object.entries(rest).filter(([, value]) => value !== undefined);
    const lists = { neighbors: neighbors.join(', '), remotes: remotes.join(', ') };
    return { ...Object.fromEntries(given), ...lists };
  },
} satisfies PortKind<Complete>;
