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
import type {
  NativeBridgeOptions,
  NativeCaptureOptions,
  NativeInterfaceSetup,
  NativeMacFilter,
  NativeMemifOptions,
  NativeMirrorOptions,
  NativePolicy,
  NativePortOptions,
  NativeSwitchOptions,
  NativeWorkerOptions,
  Placement,
  Polling,
} from './native-options.js';
import type {
  NativeCapture,
  NativeEvent,
  NativeExplanation,
  NativeInterface,
  NativeInterfaceLink,
  NativeLayout,
  NativeLimits,
  NativeMacTable,
  NativeMirror,
  NativePortState,
  NativeTunnel,
  NativeWorkerState,
} from './native-states.js';

export type * from './native-options.js';
export type * from './native-states.js';

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
  /** One of our own namespace, without its addresses. */
  ownInterface(name: string): NativeInterfaceLink | undefined;
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
  receiveHandover(socket: string): {
    arrival: Promise<{ note: Buffer; heritage: NativeHeritage }>;
    /** Nobody will come: the waiting ends. */
    cancel(): void;
  };
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
