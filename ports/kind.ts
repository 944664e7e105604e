/** What a kind of port has to say about itself: one object of this shape in a file of its own, one line in index.ts. */
import { z } from 'zod';
import { type NativeKindOptions, native, type Polling } from '../switch/native.js';
import { integer, name, polling } from './checks.js';
import { type PolicyOptions, policyChanges, policyFields } from './policy.js';

/** Options that ports of every kind have. */
export interface CommonOptions extends PolicyOptions {
  /** Bridge that the port belongs to. A bridge that is not listed is made with defaults. May change on a live port. */
  bridge: string;
  /**
   * Most addresses learned behind this port, 0 to 4,000,000; 0 = as many as the bridge takes. Default 0.
   * May change on a live port.
   */
  macLimit?: number | undefined;
  /**
   * Bytes behind the Ethernet header that a frame to or from the port may have, 68 to 65517 (a VLAN tag of 4 bytes is
   * not counted). Longer ones are dropped, as `oversize` or `too_long`. May change on a live port. Default 65517.
   */
  mtu?: number | undefined;
  /**
   * How workers wait for frames of this port's queues. `busy`: looked at in every round, and the worker never sleeps;
   * `interrupt`: looked at when the peer rings. Default: as the worker does.
   */
  polling?: Polling | undefined;
  /**
   * Numbers of the workers that poll this port's queues, in turn: queue i by `workers[i mod length]`. May change on a live port.
   * Default: by the switch's `placement`.
   */
  workers?: number[] | undefined;
}

const bridge = name.describe('Bridge that the port belongs to');
const macLimit = integer(0, native.limits.macs).describe(
  'Most addresses learned behind the port; 0 = as many as the bridge takes',
);

const { minMtu, maxMtu } = native.limits;
const mtu = integer(minMtu, maxMtu).describe('Bytes behind the Ethernet header of a frame');

const workers = z
  .array(integer(0, native.limits.workers - 1))
  .max(native.limits.queues)
  .describe('Workers that poll its queues, in turn; none: by the switch’s placement');

export const commonFields = {
  bridge,
  macLimit: macLimit.default(0),
  mtu: mtu.default(maxMtu),
  polling: polling.optional().describe('How workers wait for frames; default: as the worker does'),
  workers: workers.optional(),
  ...policyFields,
};

/** The options that only ports of its kind have. */
export function ownOptions<T extends object>(options: T): Omit<T, keyof typeof commonFields> {
  const own = Object.entries(options).filter(([key]) => !(key in commonFields));
  return Object.fromEntries(own) as Omit<T, keyof typeof commonFields>;
}

/** What may change on a live port, of any kind. */
export const portChangesSchema = z
  .strictObject({ bridge, macLimit, mtu, polling, workers, ...policyChanges })
  .partial();

/** What a host did for a port. */
export interface Prepared {
  /** The device that the port is over, '' for none. */
  device: string;
  /** Undoes it, when the port has gone. */
  restore(): void;
}

/** What a port may refer to besides its options. */
export interface Surroundings {
  /** As its preparation says. */
  device: string;
  /** Number of another port. Throws when there is none of that name. */
  portId(name: string): number;
}

/** `Options` are complete: checked, with defaults filled in. */
export interface PortKind<Options = never> {
  /** The value of `kind`. */
  name: string;
  /** Checks the options and fills in defaults; strict, so that a misspelt key is a mistake. */
  schema: z.ZodObject;
  /** At a switch's start: mends what a process left behind that has died. */
  recover?(): void;
  /** What the host must do before the port can be. Throws errors with a code, as native code does. */
  prepare?(options: Options): Prepared;
  /** What native code makes the port of. */
  toNative(options: Options, bridge: number, around: Surroundings): NativeKindOptions;
  /** The name of another port that it stands on, and that must be there before it. */
  underlay?(options: Options): string | undefined;
  /** What only one port can have at a time, for example a socket and an id, in words. */
  identity(options: Options): string;
  /** The kind's own options as they are shown to people and programs: without secrets. */
  show(options: Options): Record<string, string | number | boolean>;
}
