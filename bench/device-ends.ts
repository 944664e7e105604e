/**
 * Ports over devices, for scenarios that are about those: what is at each end of the switch, as all peers that are built on
 * DPDK name it, and how frames are counted that leave by something that is not the load's.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Place, Topology } from './peer.js';
import { run } from './programs.js';
import { outerHeaders, tunnel } from './tunnel.js';

/**
 * `memif`: the load. `replay`: net_pcap, which sends a recording of some 1,000 frames over and over, in a tunnel's headers where
 * there is one. `af_xdp`: one end of a veth pair. `sink`: net_null, which drops what it gets.
 */
export type End = 'memif' | 'replay' | 'af_xdp' | 'sink';

/** Addresses of the load's (traffic.cc) ports 0 and 1; a recording is from one to the other, out of a tunnel the other way. */
export const load = { first: '06:00:00:00:00:00', second: '06:00:01:00:00:00' };

/** Rounds of the mix, of twelve frames. */
const rounds = 85;
const etherType = 0x88b5;

/** Names are unique in the network namespace: of this process, which has one lane of a peer at a time. */
let made = 0;

export class DeviceEnds {
  readonly ends: End[];
  readonly interfaces: string[];
  readonly #recording: string;

  /** Undefined: a topology without devices. */
  static of(topology: Topology, place: Place): DeviceEnds | undefined {
    return topology.ends && new DeviceEnds(topology.ends, topology, place);
  }

  private constructor(ends: End[], topology: Topology, { folder }: Place) {
    this.ends = ends;
    this.#recording = join(folder, 'replay.pcap');
    if (ends.includes('replay')) {
      writeFileSync(this.#recording, recording(topology));
    }
    const mtu = topology.tunnel ? tunnel.mtu : 1500;
    this.interfaces = ends.map((end) => (end === 'af_xdp' ? makePair(mtu) : ''));
  }

  /** The kernel's own count of what came out of the far end of the pair; undefined where there is none. */
  arrived(): number | undefined {
    const name = this.interfaces.find((interface_) => interface_ !== '');
    return name === undefined
      ? undefined
      : Number(readFileSync(`/sys/class/net/${name}p/statistics/rx_packets`, 'utf8'));
  }

  /** Where a load that speaks to the device by the kernel may sit. */
  farEnds(): string[] {
    return this.interfaces.filter((name) => name !== '').map((name) => `packet:${name}p`);
  }

  /** DPDK's arguments for the device at an end. */
  devargs(port: number): string {
    switch (this.ends[port]) {
      case 'replay':
        return `net_pcap${port},rx_pcap=${this.#recording},infinite_rx=1`;
      case 'af_xdp':
        return `net_af_xdp${port},iface=${this.interfaces[port]}`;
      default:
        return `net_null${port},no-rx=1`;
    }
  }

  remove(): void {
    for (const name of this.interfaces.filter((interface_) => interface_ !== '')) {
      // One that went into a switch's network namespace goes with that.
      run('sh', ['-c', `ip link del ${name}p 2> /dev/null; true`]);
    }
  }
}

function makePair(mtu: number): string {
  const name = `bx${process.pid}${made++}`;
  run('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`]);
  for (const end of [name, `${name}p`]) {
    writeFileSync(`/proc/sys/net/ipv6/conf/${end}/disable_ipv6`, '1');
    run('ip', ['link', 'set', end, 'up', 'mtu', String(mtu)]);
  }
  return name;
}

/** The same mix as the load's (traffic.h). */
const mix = [64, 594, 64, 64, 594, 64, 64, 594, 64, 594, 64, 1518];

/** A capture file (pcap, LINKTYPE_ETHERNET). */
function recording({ recorded = '64', tunnel: inTunnel = false }: Topology): Buffer {
  const head = Buffer.alloc(24);
  [0xa1b2c3d4, 0x0004_0002, 0, 0, 65_535, 1].forEach((word, index) => {
    head.writeUInt32LE(word, index * 4);
  });
  const sizes = recorded === 'imix' ? mix : mix.map(() => Number(recorded));
  const round = sizes.flatMap((size) => {
    const frame = inTunnel
      ? Buffer.concat([outerHeaders(size, 50_000), frameOf(size, load.second, load.first)])
      : frameOf(size, load.first, load.second);
    const record = Buffer.alloc(16);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, frame];
  });
  return Buffer.concat([head, ...Array.from({ length: rounds }, () => round).flat()]);
}

function frameOf(size: number, source: string, destination: string): Buffer {
  const frame = Buffer.alloc(size);
  const bytes = (mac: string) => Buffer.from(mac.replaceAll(':', ''), 'hex');
  bytes(destination).copy(frame, 0);
  bytes(source).copy(frame, 6);
  frame.writeUInt16BE(etherType, 12);
  return frame;
}
