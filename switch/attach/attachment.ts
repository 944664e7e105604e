/** What a container runtime asks for, and what it gets: the shapes that the API, the CNI plugin and the Docker driver share. */

/** How a container meets the switch. */
export type AttachmentKind = 'memif' | 'kernel' | 'vf';

/** What an interface of kind kernel is. */
export const attachmentDrivers = ['tap', 'veth'] as const;
export type AttachmentDriver = (typeof attachmentDrivers)[number];

/** Whom it reaches, in the words of MACVLAN. */
export const attachmentModes = ['bridge', 'private', 'vepa', 'passthru'] as const;
export type AttachmentMode = (typeof attachmentModes)[number];

export interface AttachmentRoute {
  /** As `0.0.0.0/0`. */
  destination: string;
  gateway?: string | undefined;
}

/** One interface of one container. */
export interface AttachmentRequest {
  /** Name of the runtime's network; what is collected as garbage is collected within it. */
  network: string;
  /** Id of the container, or of the pod's sandbox. */
  container: string;
  /** Name of the interface in the container. */
  interface: string;
  kind: AttachmentKind;
  /** Of kind kernel: a TAP interface, or one end of a veth pair, whose other end is the host's. Default tap. */
  driver?: AttachmentDriver | undefined;
  bridge: string;
  /** False: only written down, so that whatever is done next can be undone after a crash. Default true. */
  ready?: boolean | undefined;
  /**
   * Path of the container's network namespace. Of kind kernel and vf. None: the interface is made in ours, for the runtime to
   * move and rename it.
   */
  netns?: string | undefined;
  /** Where the runtime has moved it, where it is told; its namespace ends with the container. */
  sandbox?: string | undefined;
  /** Default: made up, and kept. */
  mac?: string | undefined;
  /** Default 1500. */
  mtu?: number | undefined;
  /** As `192.0.2.1/24`. */
  addresses?: string[] | undefined;
  routes?: AttachmentRoute[] | undefined;
  /** Of kind memif: the socket's path. */
  socket?: string | undefined;
  /** User and group of the socket and its folder, by number. Default: the switch's own. */
  owner?: number | undefined;
  group?: number | undefined;
  /** Of kind memif; as of a port. */
  role?: 'server' | 'client' | undefined;
  queues?: number | undefined;
  ringSize?: number | undefined;
  bufferSize?: number | undefined;
  /** Of kind vf: its PCI address, and who has it: the container, or the switch as a port of the bridge. Default pod. */
  device?: string | undefined;
  holder?: 'pod' | 'switch' | undefined;
  /**
   * `private`: no other private one; `vepa`: others by the uplink, if it reflects; `passthru`: no other is on the bridge.
   * Default `bridge`: everybody.
   */
  mode?: AttachmentMode | undefined;
  /** Other options of the switch's port, such as `antiSpoof`. */
  port?: Record<string, unknown> | undefined;
  /** What the runtime wants to be told again, for example what its IPAM plugin has to release. */
  note?: unknown;
}

export type AttachmentState = 'pending' | 'ready' | 'failed';

/** Without secrets. */
export interface AttachmentStatus extends AttachmentRequest {
  id: string;
  state: AttachmentState;
  /** Name of the switch's port. */
  portName: string;
  mac: string;
  mtu: number;
  /** Of a veth pair: the end in the switch's own network namespace. */
  host?: { name: string; mac: string } | undefined;
  /** Of kind memif: what the container reads to attach by itself. */
  file?: string | undefined;
  /** What is not as it should be, in words. */
  problems: string[];
}
