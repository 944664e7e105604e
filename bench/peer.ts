/** What the harness asks of a switch under test. Each is one file in peers/. */

import type { End } from './device-ends.js';

/** What is between the load's ports. */
export interface Topology {
  /** Ports of the switch; the load attaches to all of them. */
  ports: number;
  /** The first so many move frames, 0 with 1, 2 with 3 and so on; the others are only there. */
  active: number;
  /**
   * `bridge`: one learning bridge. `cross-connect`: nothing is looked up, ports are tied in pairs. `flood`: a bridge whose
   * frames from port 0 go to all others.
   */
  forwarding: 'bridge' | 'cross-connect' | 'flood';
  /** Most addresses behind a port. */
  addresses: number;
  /** Longest frame, in bytes without checksum. */
  largest: number;
  /** Port 1 is in no bridge: it is the underlay of a VXLAN tunnel that is (tunnel.ts). */
  tunnel?: boolean;
  /** What is at the two ports; default: the load's memif at all. */
  ends?: [End, End];
  /** Of the frames that an end replays: bytes, or `imix`. Default 64. */
  recorded?: string;
  /** How a switch that knows better than to spin waits for frames. */
  polling: 'busy' | 'adaptive' | 'interrupt';
}

/** Where a peer finds itself. */
export interface Place {
  /** A folder of its own, for sockets and configuration; removed when it has stopped. */
  folder: string;
  /** The CPU that does the switching, and the load's, on which everything else of a peer may run. */
  switchCpu: number;
  loadCpu: number;
}

/** A switch that is up. */
export interface Running {
  /** One a port, as bench/traffic.cc takes them: `memif:SOCKET,ID` or `packet:INTERFACE`. */
  endpoints: string[];
  /** Queue pairs that the load has to offer. */
  queues: number;
  /** Its processes; none for the kernel. */
  pids: number[];
  /** The socket of its HTTP API, if it has one. */
  api?: string;
  /** Frames that have left by port 1, where the load is not there to count them. */
  arrived?(): Promise<number>;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export interface Peer {
  /** In options and results. */
  name: string;
  /** What it is and how it is set up, in a sentence. */
  what: string;
  /** As it tells itself. */
  version(): string;
  /** Why it cannot be run on this machine or cannot do this; undefined: it can. */
  missing(topology: Topology): string | undefined;
  /** Resolves when the load may attach. */
  start(topology: Topology, place: Place): Promise<Running>;
}
