/** What native code tells. For native.ts, which says the same to everybody else. */
import type { Polling } from './native-options.js';

export interface NativeQueueState {
  /** Port id; of sockets that several tunnels share, the first one's. */
  port: number;
  /** Number among the port's queues. */
  queue: number;
  frames: bigint;
  /** Share of its worker's time in the last second, 0 to 1. */
  load: number;
  byHand: boolean;
}

export interface NativeWorkerState {
  worker: number;
  /** -1: not pinned. */
  cpu: number;
  /** NUMA node of the CPU; -1: unknown, or not pinned. */
  node: number;
  polling: Polling;
  /** Share of the last second, 0 to 1. */
  busy: number;
  /** In the last second; 0 without frames. */
  framesPerBurst: number;
  cyclesPerFrame: number;
  queues: NativeQueueState[];
}

export interface NativeDeviceState {
  name: string;
  driver: string;
  /** First byte highest. */
  mac: bigint;
  mtu: number;
  /** Mbit/s; 0 = unknown. */
  speed: number;
  /** NUMA node, or -1. */
  numa: number;
  queues: number;
  ringSize: number;
  promiscuous: boolean;
  /** How it wakes a worker that sleeps; `never`: the worker goes on polling. */
  wake: 'never' | 'interrupt' | 'descriptor' | 'timer';
  /** Times it has told by itself that its link has changed; other changes are found by looking once a second. */
  linkInterrupts: number;
  /** Whether it checks UDP checksums of frames that come in; and fills them in of tunnels over it. */
  checksRx: boolean;
  checksTx: boolean;
  /** Whether it lets in only frames of the VLANs that its port carries, beside those without a tag. */
  filtersVlans: boolean;
  /** VLANs that its port carries and it has no place for: their frames do not come in. */
  refusedVlans: number;
  /** The device's own counters, by its driver's names. */
  statistics: Record<string, bigint>;
}

export interface NativeRemote {
  address: string;
  configured: boolean;
  /** Whether there is a way to it. */
  reachable: boolean;
  /** Of that way, in bytes; 0 = unknown. */
  mtu: number;
  /** Seconds since a frame came from it; -1: none did. */
  heard: number;
  macs: number;
  rxFrames: bigint;
  rxBytes: bigint;
  txFrames: bigint;
  txBytes: bigint;
  /** Of frames to it. */
  drops: bigint;
}

export interface NativeTunnel {
  port: number;
  remotes: NativeRemote[];
}

export interface NativePortState {
  id: number;
  link: boolean;
  /** Queue pairs in use: 0 while the link is down. */
  queues: number;
  ringSize: number;
  /** Name the peer gave itself, '' while down. Cleaned of control characters. */
  peer: string;
  /** Process and user of the peer as the kernel tells them; 0 and -1 while down. */
  peerPid: number;
  peerUid: number;
  /** Learned addresses behind the port now. */
  macs: number;
  /** Why the last link ended, '' if none ended yet. */
  lastError: string;
  /** Times a peer attached since the port was made. */
  attaches: number;
  /** Violations of the protocol since then, by kind. */
  protocolErrors: Record<string, number>;
  /** Of a port over a device. */
  device: NativeDeviceState | null;
}

/** Entry i: `entries[i]` = address (48 bits, first byte highest) << 16 | port id; `ages[i]` = seconds since seen. */
export interface NativeMacTable {
  entries: BigUint64Array;
  /** `limits.staticAge` marks a static entry. */
  ages: Uint16Array;
  /** 0: the bridge has none. */
  vlans: Uint16Array;
  /** All that the filter matched, also beyond `limit`. */
  total: number;
}

export interface NativeCapture {
  id: number;
  /** In its stream so far. */
  frames: bigint;
  /** Found no room in a ring. */
  lost: bigint;
}

export interface NativeExplanation {
  /** Reason for which it goes nowhere. */
  drop: string | null;
  bridged: boolean;
  carriesTunnels: boolean;
  /** What the bridge knows of the addresses. */
  destination: { port: number; static: boolean } | null;
  source: { port: number; static: boolean } | null;
  /** Ports that it would be given to; why it ends there all the same, and the tunnel's remote, '' = all. */
  ways: { port: number; drop: string | null; remote: string }[];
}

export interface NativeMirror {
  id: number;
  /** Copies sent. */
  frames: bigint;
  bytes: bigint;
  lost: bigint;
}

export type NativeEvent =
  | { type: 'link-up'; port: number; peer: string }
  | { type: 'link-down'; port: number; reason: string }
  | { type: 'protocol-error'; port: number; error: string; reason: string }
  /** `port` is -1 when the bridge's limit, not a port's, was met. At most one a second for each limit. */
  | { type: 'learn-limit'; bridge: number; port: number; mac: bigint }
  | { type: 'move'; bridge: number; mac: bigint; from: number; to: number }
  /** Events that were lost because they came faster than they could be told (moves and limits only). */
  | { type: 'lost'; events: number };

export interface NativeLayout {
  portStride: number;
  rxFrames: number;
  rxBytes: number;
  txFrames: number;
  txBytes: number;
  /** Extra frames made by flooding and tunnels: rx + copies == tx + drops + consumed over all ports. */
  copies: number;
  /** Outer frames of tunnels, and questions for an address, that ended at the port. */
  consumed: number;
  moves: number;
  /** Frames whose source was not learned because a limit was met (they are still forwarded). */
  learnLimited: number;
  /** Index of the first drop counter; reason i is at drops + i. */
  drops: number;
  dropReasons: {
    name: string;
    /** Whether it counts at the port the frame came in from (rx) or was to leave by (tx). */
    side: 'rx' | 'tx';
    /** One sentence for people. */
    help: string;
  }[];
  /** Kinds of protocol errors. */
  protocolErrors: string[];
  /** A row of `readPorts`: flags (1: the link is up, 2: over a device), attaches, protocol errors, counters as above. */
  row: { stride: number; errors: number; counters: number };
  /** Names of the worker counters: loops, busyCycles, idleCycles, sleeps, frames, bursts, burst1 … burst64. */
  worker: string[];
  /** Upper bounds of the burst-size histogram's buckets, in frames. */
  burstBounds: number[];
}

export interface NativeLimits {
  /** Frames that are moved together. */
  burst: number;
  workers: number;
  ports: number;
  bridges: number;
  macs: number;
  queues: number;
  /** Of one tunnel. */
  remotes: number;
  ringSize: number;
  ageing: number;
  socketPath: number;
  secret: number;
  staticAge: number;
  minMtu: number;
  /** Bytes of the longest frame that any port carries. */
  maxFrame: number;
  captures: number;
  maxMtu: number;
  devargs: number;
  deviceRing: number;
  deviceMtu: number;
}

export interface NativeInterfaceLink {
  name: string;
  /** Its number in its namespace. */
  index: number;
  /** Of a veth: the other end's number, in that one's namespace. 0 = none. */
  peer: number;
  /** As `ip -d link` shows it: `veth`, `tun`, …; '' of hardware. */
  kind: string;
  /** First byte highest. */
  mac: bigint;
  mtu: number;
  up: boolean;
}

export interface NativeInterface extends NativeInterfaceLink {
  /** As `192.0.2.1/24`. */
  addresses: string[];
}
