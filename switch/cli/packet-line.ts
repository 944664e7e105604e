/** A captured frame in one line, for people: when, where, who to whom, what. */
import { formatMac } from '../mac.js';
import type { Packet } from './pcapng.js';

const etherTypes: Record<number, string> = {
  2048: 'IPv4',
  2054: 'ARP',
  34525: 'IPv6',
  33024: 'VLAN',
  34984: 'S-VLAN',
  34887: 'MPLS',
  35020: 'LLDP',
  34915: 'PPPoE discovery',
  34916: 'PPPoE',
};

const protocols: Record<number, string> = {
  1: 'ICMP',
  2: 'IGMP',
  6: 'TCP',
  17: 'UDP',
  47: 'GRE',
  50: 'ESP',
  58: 'ICMPv6',
  89: 'OSPF',
  132: 'SCTP',
};
const withPorts = new Set([6, 17, 132]);

export function packetLine(port: string, packet: Packet): string {
  const { data, length, direction, comment } = packet;
  const ends =
    data.length < 14
      ? `${data.length} bytes`
      : `${mac(data, 6)} > ${mac(data, 0)}, ${payload(data, 12)}`;
  const dropped = comment && `, ${comment.split('. ')[0]}`;
  return `${clock(packet.time)} ${port} ${direction} ${ends}, length ${length}${dropped}`;
}

function clock(ns: bigint): string {
  const [seconds, rest] = [ns / 1_000_000_000n, ns % 1_000_000_000n];
  const time = new Date(Number(seconds) * 1000);
  const parts = [time.getHours(), time.getMinutes(), time.getSeconds()];
  const text = parts.map((part) => String(part).padStart(2, '0')).join(':');
  return `${text}.${String(rest).padStart(9, '0')}`;
}

function mac(data: Buffer, at: number): string {
  return formatMac(BigInt(data.readUIntBE(at, 6)));
}

/** From the EtherType on. */
function payload(data: Buffer, at: number): string {
  const type = data.readUInt16BE(at);
  const name = etherTypes[type];
  const inside = at + 2;
  if ((type === 0x8100 || type === 0x88a8) && data.length >= inside + 4) {
    return `${name} ${data.readUInt16BE(inside) & 0xfff}, ${payload(data, inside + 2)}`;
  }
  if (type === 0x0800 && data.length >= inside + 20) {
    return ipv4(data.subarray(inside));
  }
  if (type === 0x86dd && data.length >= inside + 40) {
    return ipv6(data.subarray(inside));
  }
  if (type === 0x0806 && data.length >= inside + 28) {
    return arp(data.subarray(inside));
  }
  return name ?? (type < 0x600 ? '802.3' : `type 0x${type.toString(16).padStart(4, '0')}`);
}

function ipv4(packet: Buffer): string {
  const protocol = packet[9] ?? 0;
  const first = (packet.readUInt16BE(6) & 0x1fff) === 0;
  const rest = first ? packet.subarray(((packet[0] ?? 0) & 15) * 4) : Buffer.alloc(0);
  return flow(dotted(packet, 12), dotted(packet, 16), protocol, rest);
}

function ipv6(packet: Buffer): string {
  return flow(colons(packet, 8), colons(packet, 24), packet[6] ?? 0, packet.subarray(40));
}

function flow(from: string, to: string, protocol: number, rest: Buffer): string {
  const port = (at: number) =>
    withPorts.has(protocol) && rest.length >= 4 ? `.${rest.readUInt16BE(at)}` : '';
  const name = protocols[protocol] ?? `protocol ${protocol}`;
  return `${from}${port(0)} > ${to}${port(2)} ${name}`;
}

function arp(packet: Buffer): string {
  const [sender, target] = [dotted(packet, 14), dotted(packet, 24)];
  return packet.readUInt16BE(6) === 1
    ? `ARP who has ${target}, tell ${sender}`
    : `ARP ${sender} is at ${mac(packet, 8)}`;
}

function dotted(bytes: Buffer, at: number): string {
  return bytes.subarray(at, at + 4).join('.');
}

/** The longest run of zeros is left out (RFC 5952). */
function colons(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16));
  const runs = groups.join(':').match(/(?<![0-9a-f])0(:0)+(?![0-9a-f])/g) ?? [];
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '');
  if (longest === '') {
    return groups.join(':');
  }
  const text = `:${groups.join(':')}:`.replace(`:${longest}:`, '::');
  return text.replace(/^:(?!:)/, '').replace(/(?<!:):$/, '');
}
