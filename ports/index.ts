/** The table of port kinds. A new kind is one file beside this one and one line in each of the two places below. */
import { z } from 'zod';
import { type EthdevOptions, ethdev } from './ethdev.js';
import { type KernelOptions, kernel } from './kernel.js';
import type { PortKind } from './kind.js';
import { type MemifOptions, memif } from './memif.js';
import { type TapOptions, tap } from './tap.js';
import { type VethOptions, veth } from './veth.js';
import { type VfOptions, vf } from './vf.js';
import { type VxlanOptions, vxlan } from './vxlan.js';

/** Options of a port, told apart by `kind`. */
export type PortOptions =
  | MemifOptions
  | EthdevOptions
  | KernelOptions
  | TapOptions
  | VethOptions
  | VfOptions
  | VxlanOptions;

export const kinds = [memif, ethdev, kernel, tap, veth, vf, vxlan] as const;

export const kindNames = kinds.map((kind) => kind.name);

/** Checks a port's options by its kind and fills in defaults. */
export const portSchema = z.discriminatedUnion('kind', schemasOf(kinds), {
  error: `must be one of the known kinds: ${kindNames.join(', ')}`,
});

/** A port's complete options. */
export type Port = z.output<typeof portSchema>;

export function kindOf(options: Port): PortKind<Port> {
  const kind: PortKind<Port> | undefined = kinds.find(({ name }) => name === options.kind);
  if (!kind) {
    throw new TypeError(`no port kind ${options.kind}`);
  }
  return kind;
}

/** At a switch's start: mends what a process left behind that has died. */
export function recoverAll(): void {
  const all: readonly PortKind[] = kinds;
  for (const kind of all) {
    kind.recover?.();
  }
}

function schemasOf<const T extends readonly PortKind[]>(table: T) {
  return table.map(({ schema }) => schema) as { [K in keyof T]: T[K]['schema'] };
}
