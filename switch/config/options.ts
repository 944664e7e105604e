/** The configuration as its users write it, in TypeScript, YAML or JSON. Checked by schema.ts, completed by check.ts. */
import type { PortOptions } from '../../ports/index.js';
import type { MirrorOptions } from '../mirrors.js';
import type { Placement, Polling } from '../native.js';

export type { PortOptions } from '../../ports/index.js';
export type { Placement, Polling } from '../native.js';

export interface WorkerOptions {
  /** CPU that the worker's thread is pinned to. Default: not pinned. */
  cpu?: number | undefined;
  /** How the worker waits for frames. Default: the switch's `polling`. */
  polling?: Polling | undefined;
}

export interface BridgeOptions {
  /** Seconds that a learned address lives without traffic; 0 = for ever. Default 300. */
  ageing?: number | undefined;
  /** Most addresses, learned and static, 1 to 4,000,000. Default 65,536. Fixed once the bridge exists. */
  macLimit?: number | undefined;
  /** Whether source addresses are learned. Default true. */
  learn?: boolean | undefined;
  /** Whether broadcast, multicast and unknown unicast are flooded; otherwise they are dropped. Default true. */
  flood?: boolean | undefined;
  /**
   * Whether its ports carry VLANs: each is an access port or a trunk, and addresses are learned in each VLAN by itself. Default
   * false: frames pass with the tags they have. Fixed once the bridge exists.
   */
  vlans?: boolean | undefined;
}

/** Where a static address is. */
export interface StaticPlace {
  port: string;
  /** Of a tunnel: the one of its remotes (VTEPs) that the address is behind. */
  remote?: string | undefined;
}

/** A bridge in a configuration, where its ports are known. */
export interface BridgeConfiguration extends BridgeOptions {
  /** Static addresses: the name of the port behind which each is, of a tunnel also the remote. Default none. */
  static?: Record<string, string | StaticPlace> | undefined;
}

export interface SwitchOptions {
  /** Poll workers: how many, or one entry each. Default 1, not pinned. */
  workers?: number | WorkerOptions[] | undefined;
  /**
   * How workers wait for frames. `busy` never sleeps; `adaptive` spins while there is work and sleeps when there is none;
   * `interrupt` sleeps as soon as there is none. Default `adaptive`.
   */
  polling?: Polling | undefined;
  /**
   * Who polls the receive queues that no port's `workers` places by hand. `spread`: as they come, the worker with the fewest, on
   * the device's NUMA node if there is one; `auto`: likewise, and they move when that evens out the measured load. Default `spread`.
   */
  placement?: Placement | undefined;
  /** Bridges by name. A bridge that only a port names is made with defaults. */
  bridges?: Record<string, BridgeConfiguration> | undefined;
  /** Mirrors by name: copies of ports' frames to another port. */
  mirrors?: Record<string, MirrorOptions> | undefined;
  /** Ports by name. */
  ports?: Record<string, PortOptions> | undefined;
}
