/** What a kind of port has to say about itself: one object of this shape in a file of its own, one line in index.ts. */
import { z } from 'zod';
import { type NativePortOptions, native } from '../switch/native.js';
import { integer, name } from './checks.js';

/** Options that ports of every kind have. */
export interface CommonOptions {
  /** Bridge that the port belongs to. A bridge that is not listed is made with defaults. May change on a live port. */
  bridge: string;
  /**
   * Most addresses learned behind this port, 0 to 4,000,000; 0 = as many as the bridge takes. Default 0.
   * May change on a live port.
   */
  macLimit?: number | undefined;
}

const bridge = name.describe('Bridge that the port belongs to');
const macLimit = integer(0, native.limits.macs).describe(
  'Most addresses learned behind the port; 0 = as many as the bridge takes',
);

export const commonFields = { bridge, macLimit: macLimit.default(0) };

/** What may change on a live port, of any kind. */
export const portChangesSchema = z.strictObject({ bridge, macLimit }).partial();

/** `Options` are complete: checked, with defaults filled in. */
export interface PortKind<Options = never> {
  /** The value of `kind`. */
  name: string;
  /** Checks the options and fills in defaults; strict, so that a misspelt key is a mistake. */
  schema: z.ZodObject;
  /** What native code makes the port of. */
  toNative(options: Options, bridge: number, portId: (name: string) => number): NativePortOptions;
  /** The name of another port that it stands on, and that must be there before it. */
  underlay?(options: Options): string | undefined;
  /** What only one port can have at a time, for example a socket and an id, in words. */
  identity(options: Options): string;
  /** The kind's own options as they are shown to people and programs: without secrets. */
  show(options: Options): Record<string, string | number | boolean>;
}
