/**
 * The one door to the native addon. Every class, function and layout that C++ (native/binding) offers is
 * declared here, and nothing else in the project loads the addon.
 *
 * Native code gets complete, checked values: defaults and user-facing checks are made in TypeScript (ports/,
 * switch/config.ts). Ids are small integers handed out by native code and reused after removal; names live
 * in TypeScript only.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How a poll worker waits for frames. */
export type Polling = 'busy' | 'adaptive' | 'interrupt';

export interface NativeWorkerOptions {
  /** CPU the worker's thread is pinned to, or -1 for none. */
  cpu: number;
  polling: Polling;
}

/** Who chooses the worker of a queue that nobody placed by hand; see config/options.ts. */
export type Placement = 'spread' | 'auto';

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

export interface NativeSwitchOptions {
  /** One entry a worker, 1 to `limits.workers`. */
  workers: NativeWorkerOptions[];
}

export interface NativeBridgeOptions {
  /** Seconds an address lives without traffic; 0 = for ever; at most `limits.ageing`. */
  ageing: number;
  /** Most addresses (learned and static) the bridge holds, 1 to `limits.macs`. Fixed at creation. */
  macLimit: number;
  learn: boolean;
  /** Whether broadcast, multicast and unknown unicast are flooded; otherwise they are dropped. */
  flood: boolean;
  /** Whether its ports carry VLANs. Fixed at creation. */
  vlans: boolean;
}

export interface NativeMemifOptions {
  /** Path of the socket, or `@name` for an abstract one. */
  socket: string;
  /** Interface id on that socket, 0 to 2^32 - 1. */
  id: number;
  role: 'server' | 'client';
  /** At most 23 bytes (the field has 24 and ends in NUL); empty = none asked for. */
  secret: string;
  /** Most queue pairs, 1 to `limits.queues`. */
  queues: number;
  /** Largest ring accepted (server) or made (client): a power of two, 2 to `limits.ringSize`. */
  ringSize: number;
  /** Bytes of each buffer a client makes, 64 to 65535; a server takes the client's. */
  bufferSize: number;
  /** Network namespace of an abstract socket: a name as of `ip netns`, a path, a process id; '' = our own. */
  netns: string;
  /** Permission bits, user and group of a socket file; -1 = ours. A server's. */
  socketMode: number;
  socketOwner: number;
  socketGroup: number;
  /** Users and groups that may attach; both empty = whoever can open the socket. A server's. */
  allowUsers: number[];
  allowGroups: number[];
  /** Takes ordinary files that their owner could cut short. A server's. */
  trusted: boolean;
  /** Takes files of hugetlbfs. A server's. */
  hugePages: boolean;
  /** Of a port of mode ip: its address on the bridge, and who takes its packets; null: mode ethernet. */
  ip: { mac: bigint; gateway: bigint } | null;
  /** Of the peer's rings; 0 = as they show. */
  cacheLine: 0 | 64 | 128;
}

export interface NativeVxlanOptions {
  /** 0 to 2^24 - 1. */
  vni: number;
  /** Addresses as text, all of one family; at most `limits.remotes` remotes. */
  local: string;
  remotes: string[];
  /** UDP port of all ends. */
  port: number;
  /** Network namespace of the sockets: a name as of `ip netns`, a path, a process id; '' = our own. */
  netns: string;
  learn: boolean;
  splitHorizon: boolean;
  /** Answers packets that are too long. */
  tellTooBig: boolean;
  /** Answers questions for stations behind remotes. */
  suppress: boolean;
  ttl: number;
  /** 0 to 63, or -1: the inner packet's. */
  dscp: number;
  df: boolean;
  udpChecksum: boolean;
  firstSourcePort: number;
  lastSourcePort: number;
  /** Id of the port that carries the tunnel; 0: the kernel, and nothing below counts. */
  underlay: number;
  /** Bits that addresses of one Ethernet share: 0 to 32 or 128. */
  prefix: number;
  gateway: string | undefined;
  /** 0 = untagged. */
  vlan: number;
  mac: bigint;
  /** Of the underlay, in bytes, 576 to 65535. */
  pathMtu: number;
  /** Neighbours that are never asked for, each address once; at most `limits.remotes`. */
  neighbors: { address: string; mac: bigint }[];
}

export interface NativeDeviceOptions {
  /** As DPDK takes them: a PCI address or a virtual device's name, and arguments after commas; at most `limits.devargs` bytes. */
  devargs: string;
  /** Network namespace to open the device in: a name as of `ip netns`, a path, a process id; '' = our own. */
  netns: string;
  /** The kernel's interface under the device, set up with the address and the MTU; '' = none. At most 15 bytes. */
  interface: string;
  /** Whether the device makes that interface (a TAP), or it must be there. */
  makesInterface: boolean;
  /** That interface's address from now on; 0 = as it is. */
  mac: bigint;
  /** Most receive queues, and transmit queues, 1 to `limits.queues`; a device may have fewer. */
  queues: number;
  /** Descriptors of each queue, 32 to `limits.deviceRing`; a device may take another number. */
  ringSize: number;
  /** 0 = as it is; at most `limits.deviceMtu`. */
  mtu: number;
  /** Whether to ask for frames to any address; a device may refuse. */
  promiscuous: boolean;
  /** Of stations, beside its own, that it takes frames to; first byte highest. */
  addresses: bigint[];
}

export interface NativeTapOptions {
  /** Network namespace to make or take up the interface in: a name as of `ip netns`, a path, a process id; '' = our own. */
  netns: string;
  /** At most 15 bytes. */
  interface: string;
  /** Whether the interface stays when the port goes. */
  persistent: boolean;
  /** First byte highest; 0 = as it is. */
  mac: bigint;
  mtu: number;
}

export interface NativeRate {
  /** A second; 0 = no limit. */
  frames: number;
  bits: number;
  /** How much may come at once: what the rate lets pass in so many milliseconds, 1 to 3,600,000. */
  burst: number;
}

export interface NativePolicy {
  /** Counts in a bridge with VLANs only. `untagged` 0: frames without a tag are refused; `tagged`: first and last each. */
  vlans: { untagged: number; tagged: [first: number, last: number][] };
  /** Nothing goes to another isolated port. */
  isolated: boolean;
  /** Everything goes to the ports that are not vepa. */
  vepa: boolean;
  /** Who may speak; an empty list: anybody; null: nothing is looked at. */
  senders: { macs: bigint[]; ips: { address: string; bits: number }[] } | null;
  rx: NativeRate;
  tx: NativeRate;
  /** Flooded frames a second; 0 = no limit. */
  storm: { broadcast: number; multicast: number; unknown: number };
}

/** What a kind makes of its options. */
export type NativeKindOptions = {
  /** Bridge id. */
  bridge: number;
  /** Most learned addresses behind this port, 0 to `limits.macs`; 0 = as many as the bridge takes. */
  macLimit: number;
  /** `limits.minMtu` to `limits.maxMtu`. */
  mtu: number;
  /** Of its queues; '' = as the worker does. */
  polling: Polling | '';
} & (
  | { kind: 'memif'; memif: NativeMemifOptions }
  | { kind: 'vxlan'; vxlan: NativeVxlanOptions }
  | { kind: 'ethdev'; ethdev: NativeDeviceOptions }
  | { kind: 'tap'; tap: NativeTapOptions }
);

export type NativePortOptions = NativeKindOptions & { policy: NativePolicy };

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

export interface NativeMacFilter {
  /** Port id, or -1 for all. */
  port: number;
  kind: 'all' | 'learned' | 'static';
  /** Most entries returned. */
  limit: number;
}

export interface NativeCaptureOptions {
  ports: { port: number; name: string; description: string }[];
  /** Who writes the stream; at most 256 bytes. */
  application: string;
  /** What `compileFilter` made of `filterText`; empty = all frames. */
  filter: BigUint64Array;
  filterText: string;
  /** Most bytes of a frame, 1 to `limits.maxFrame`. */
  snaplen: number;
  /** Ends after so many frames; 0 = does not. */
  count: number;
  /** Of each worker's ring, 2^17 to 2^30; rounded up to a power of two. */
  ringBytes: number;
  rx: boolean;
  tx: boolean;
  onlyDrops: boolean;
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

export interface NativeMirrorOptions {
  from: number[];
  to: number;
  rx: boolean;
  tx: boolean;
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

export interface NativeSwitch {
  /** Names this switch to `runWorker` in other threads. */
  readonly token: number;

  addBridge(options: NativeBridgeOptions): number;
  /** All but macLimit may change. */
  setBridge(bridge: number, options: NativeBridgeOptions): void;
  /** The bridge must have no ports. */
  removeBridge(bridge: number): void;
  /** Addresses held now. */
  bridgeMacs(bridge: number): number;

  addPort(options: NativePortOptions): number;
  /** Moves the port to another bridge or changes its limits; the link stays up. Its learned addresses are flushed on a move. */
  setPort(port: number, bridge: number, macLimit: number, mtu: number): void;
  /** Takes the place of the port's policy; its buckets are full. */
  setPolicy(port: number, policy: NativePolicy): void;
  /** Of its queues; '' = as each's worker does. */
  setPolling(port: number, polling: Polling | ''): void;
  removePort(port: number): void;
  portStates(): NativePortState[];
  /**
   * Writes the numbers of each port into its row of `rows` (`layout.row`), at its id, and their sums into row 0. Returns the
   * ids of ports whose row differs from what it held.
   */
  readPorts(rows: Float64Array): Uint32Array;

  macs(bridge: number, filter: NativeMacFilter): NativeMacTable;
  /**
   * Learns again what macs() told before a restart; ages are seconds up to now. Passes over what is known, too old, or behind no
   * port of the bridge or a tunnel; returns how many were learned.
   */
  relearn(bridge: number, entries: BigUint64Array, ages: Uint16Array, vlans: Uint16Array): number;
  /** Once for each VLAN that it is known in. */
  findMac(bridge: number, mac: bigint): { port: number; age: number; vlan: number }[];
  /** Adds or replaces a static address; `remote` is the one of a tunnel's remotes it is behind, '' = none. */
  addStaticMac(bridge: number, mac: bigint, port: number, remote: string, vlan: number): void;
  /** Removes an address, static or learned; false if it was not there. */
  removeMac(bridge: number, mac: bigint, vlan: number): boolean;
  /** Removes learned addresses (of one port, or -1 for all); returns how many. Static ones stay. */
  flushMacs(bridge: number, port: number): number;
  /** For each of a table's entries the remote that it is behind; '' = none, not known, or learned though `onlyStatic`. */
  remotesOf(entries: BigUint64Array, onlyStatic: boolean): string[];

  tunnels(): NativeTunnel[];
  addRemote(port: number, address: string): void;
  /** Also a learned one. */
  removeRemote(port: number, address: string): void;

  /** Frames are taken from now on, into rings that `readCapture` empties. */
  addCapture(options: NativeCaptureOptions): number;
  /** What came since the last call, of one pcapng stream; maybe nothing. Undefined: that was all. */
  readCapture(capture: number): Buffer | undefined;
  /** Idempotent. */
  removeCapture(capture: number): void;
  /** Those under way, and the sums over all that there ever were. */
  captures(): { captures: NativeCapture[]; total: NativeCapture };

  /** Where the frame would go if it came in from the port now. Moves no counter. */
  explain(port: number, frame: Uint8Array): NativeExplanation;

  /** While copies go to a port it is out of its bridge. */
  addMirror(options: NativeMirrorOptions): number;
  /** Copies from one more port. */
  joinMirror(mirror: number, port: number): void;
  removeMirror(mirror: number): void;
  mirrors(): NativeMirror[];

  /**
   * Live counters, one array a worker, written by that worker only and never copied: counter c of port p is at
   * `p * layout.portStride + c`. They start at 0 when a port is made.
   */
  portCounters(): BigUint64Array[];
  /** Live counters of each worker, in the order of `layout.worker`. */
  workerCounters(): BigUint64Array[];

  /** Makes a worker, which polls when somebody calls `runWorker`; returns its number, the lowest that is free. */
  addWorker(options: NativeWorkerOptions): number;
  /** At once, also while it polls. */
  setWorker(worker: number, options: NativeWorkerOptions): void;
  /** Others take its queues; then its runWorker returns. */
  removeWorker(worker: number): void;
  workerStates(): NativeWorkerState[];
  /** Gives workers with fewer queues than others some of theirs. */
  spreadQueues(): void;
  setPlacement(placement: Placement): void;
  /** By hand; no frame is lost and no flow reordered. */
  moveQueue(port: number, queue: number, worker: number): void;
  /** Workers that poll the port's queues in turn, now and after each attach; none: by rule. */
  placePort(port: number, workers: number[]): void;

  /**
   * Gives the listening sockets and the peers of memif ports to the process that waits at the socket, with a note; then only
   * close() is left to do. When it fails all goes on as before.
   */
  handOver(socket: string, note: Buffer): void;
  /** Takes them, before ports are added. */
  inherit(heritage: NativeHeritage): void;
  /** Attaches those peers, when all ports are there; returns how many. */
  adopt(): number;

  /** Raises the stop flag: every runWorker of this switch returns within milliseconds. Idempotent. */
  stop(): void;
  /** Ends all ports (peers get DISCONNECT) and the control thread. Call after the workers have returned. Idempotent. */
  close(): void;
}

declare const heritage: unique symbol;
/** Descriptors out of another process. */
export interface NativeHeritage {
  [heritage]: true;
}

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

/** What an interface of the kernel gets; it is set up, too. */
export interface NativeInterfaceSetup {
  /** First byte highest; 0 = as it is. */
  mac: bigint;
  /** 0 = as it is. */
  mtu: number;
  /** New; '' = as it is. */
  name: string;
  /** As `192.0.2.1/24`. */
  addresses: string[];
  /** `gateway` '' = directly on the link. */
  routes: { destination: string; gateway: string }[];
}

export interface NativeInterface {
  name: string;
  /** First byte highest. */
  mac: bigint;
  mtu: number;
  up: boolean;
  /** As `192.0.2.1/24`. */
  addresses: string[];
}

/** One end of a memif connection that is no port of a switch. */
export interface NativeEndpoint {
  /** Starts: from now on the callback is told. Once. */
  open(): void;
  /** Whether the process stays alive for it; at first it does. */
  setReferenced(referenced: boolean): void;
  /** Takes up a link that the callback was told of, or none (null); queues are the link's from now on. */
  adopt(link: unknown): NativeLink | null;
  /**
   * Frame i is at `places[3i]` (region), `places[3i + 1]` (offset), `places[3i + 2]` (length), region `inPieces`: see
   * joined(). At most `burst` frames, which stay there until release().
   */
  receive(queue: number, places: Uint32Array): number;
  /** A copy of a frame that lies in several pieces. */
  joined(queue: number, index: number): Buffer;
  release(queue: number): void;
  /** Asks for the next event `frames` of the queue. True: frames wait already, nothing was asked. */
  arm(queue: number): boolean;
  /**
   * Copies at most `burst` frames from the first on into the ring; returns how many are done. `result`: frames sent, their
   * bytes, frames passed over because they are longer than the ring's buffers together.
   */
  send(queue: number, frames: readonly Uint8Array[], first: number, result: Uint32Array): number;
  /** Room for frames, to be written in place: places as of receive(), as many as there are, at most `places.length / 3`. */
  reserve(queue: number, places: Uint32Array): number;
  /** Sends the first of what was reserved with these lengths, and gives up the rest. */
  commit(queue: number, lengths: Uint32Array): void;
  /** Idempotent. */
  close(): void;
}

export interface NativeLink {
  peer: string;
  queues: number;
  ringSize: number;
  /** The shared memory, by region; it lives as long as somebody has an array of it. */
  regions: ArrayBuffer[];
}

export interface NativeAddon {
  Switch: new (
    options: NativeSwitchOptions,
    /** Called on the thread that made the switch; does not keep the process alive. */
    onEvents: (events: NativeEvent[]) => void,
  ) => NativeSwitch;
  Endpoint: new (
    options: NativeMemifOptions & { name: string },
    /** Called on the thread that made it: `up` with a link for adopt(), `down` with the reason, `frames` with the queue. */
    onEvent: (type: 'up' | 'down' | 'frames', what: unknown) => void,
  ) => NativeEndpoint;
  /** Runs a worker's poll loop on the calling thread until `stop()`. Once for each worker. */
  runWorker(token: number, worker: number): void;
  /** Stops the workers of all switches of this process: for 'exit' hooks, where nothing can be awaited. */
  stopAll(): void;
  /**
   * Compiles a filter in tcpdump's syntax by libpcap, on a thread of its own. Rejects with `INVALID` for its mistakes, `SYSTEM`
   * without libpcap.
   */
  compileFilter(expression: string, snaplen: number): Promise<BigUint64Array>;
  /** Pools of devices' buffers in this process, and buffers out of them: both 0 again when all devices are closed. */
  deviceBuffers(): { pools: number; used: number };
  /** Interfaces of the kernel, in a network namespace: a name as of `ip netns`, a path, a process id; '' = our own. */
  interfaces(netns: string): NativeInterface[];
  /** Doing it again changes nothing. */
  setUpInterface(netns: string, name: string, setup: NativeInterfaceSetup): void;
  /** To another namespace, where it is called `as`. Its addresses stay behind. */
  moveInterface(netns: string, name: string, to: string, as: string): void;
  /** One that is not there is no error. */
  removeInterface(netns: string, name: string): void;
  /**
   * From now on a fatal signal is told in one line, after `prefix` (at most 15 bytes), before it ends the process. For a process
   * that is memswitch's own, before the first switch.
   */
  installCrashHandler(prefix: string): void;
  /** How that line calls a port; '' forgets it. */
  namePort(port: number, name: string): void;
  /**
   * Waits at a socket that it makes, on a thread of its own, for what another process hands over, and until its switch is closed;
   * ten seconds for each at most.
   */
  receiveHandover(socket: string): Promise<{ note: Buffer; heritage: NativeHeritage }>;
  /** One datagram to a supervisor's socket, as by sd_notify(3): a path, or `@name` for an abstract one. */
  notifySupervisor(socket: string, text: string): void;
  /** Time-stamp counter ticks a second, to read cycles as time. */
  cyclesPerSecond(): number;
  layout: NativeLayout;
  limits: NativeLimits;
}

/** What native errors carry besides their message. */
export interface NativeError extends Error {
  code:
    | 'INVALID'
    | 'NOT_FOUND'
    | 'EXISTS'
    | 'IN_USE'
    | 'LIMIT'
    | 'PERMISSION'
    | 'CLOSED'
    | 'SYSTEM';
}

function load(): NativeAddon {
  const name = join('build', 'Release', 'memswitch.node');
  // From source (switch/) or compiled (dist/switch/): the package root is the nearest folder with the build.
  let root = dirname(dirname(fileURLToPath(import.meta.url)));
  if (!existsSync(join(root, name))) {
    root = dirname(root);
  }
  try {
    return createRequire(import.meta.url)(join(root, name)) as NativeAddon;
  } catch (cause) {
    throw new Error(
      `memswitch: the native part could not be loaded from ${join(root, name)}; ` +
        `needed: Linux on x86-64 with SSE4.2, and a build; run: npm run build`,
      { cause },
    );
  }
}

export const native: NativeAddon = load();
