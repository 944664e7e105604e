/** What native code is given: complete, checked values. For native.ts, which says the same to everybody else. */

/** How a poll worker waits for frames. */
export type Polling = 'busy' | 'adaptive' | 'interrupt';

export interface NativeWorkerOptions {
  /** CPU the worker's thread is pinned to, or -1 for none. */
  cpu: number;
  polling: Polling;
}

/** Who chooses the worker of a queue that nobody placed by hand; see config/options.ts. */
export type Placement = 'spread' | 'auto';

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
  /** Devargs of the devices that a bonding device joins. */
  members: string[];
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

export interface NativeVethOptions {
  /** Of the container's end: a name as of `ip netns`, a path, a process id; '' = our own. */
  netns: string;
  /** The container's end, at most 15 bytes. */
  interface: string;
  /** The end in our own namespace, at most 14 bytes. */
  host: string;
  /** Whether the pair stays when the port goes. */
  persistent: boolean;
  /** Of the container's end, first byte highest; 0 = as it is. */
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
  | { kind: 'veth'; veth: NativeVethOptions }
);

export type NativePortOptions = NativeKindOptions & { policy: NativePolicy };

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

export interface NativeMirrorOptions {
  from: number[];
  to: number;
  rx: boolean;
  tx: boolean;
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
