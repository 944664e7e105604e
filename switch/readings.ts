/**
 * What metrics are made of: all ports' numbers, exact up to 2^53, and which ports moved since the look before. Native code
 * finds that out: a look at 1,000 ports takes a tenth of a millisecond; by `Switch.ports()`, with objects and bigints, 8 ms.
 */
import type { Port } from '../ports/index.js';
import type { WorkerCounters } from './counters.js';
import { type NativeSwitch, native } from './native.js';

/** A port as its labels name it. */
export interface PortLabels {
  name: string;
  kind: Port['kind'];
  bridge: string;
}

const { layout, limits } = native;
const { stride, errors, counters } = layout.row;

/** Sums over all ports stand in the row of id 0, which no port has. */
export const allPorts = 0;

/** One consumer's rows, kept from look to look. */
export class PortReadings {
  readonly #native: NativeSwitch;
  readonly #rows = new Float64Array((limits.ports + 1) * stride);

  constructor(owner: NativeSwitch) {
    this.#native = owner;
  }

  /** Looks again; returns the ids of ports that moved. */
  look(): Uint32Array {
    return this.#native.readPorts(this.#rows);
  }

  isUp(id: number): boolean {
    return (this.#at(id, 0) & 1) !== 0;
  }

  isDevice(id: number): boolean {
    return (this.#at(id, 0) & 2) !== 0;
  }

  attaches(id: number): number {
    return this.#at(id, 1);
  }

  /** @param kind its place in `layout.protocolErrors`. */
  protocolErrors(id: number, kind: number): number {
    return this.#at(id, errors + kind);
  }

  /** @param counter its place in a port's counters, by `layout`. */
  counter(id: number, counter: number): number {
    return this.#at(id, counters + counter);
  }

  /** @param reason its place in `layout.dropReasons`. */
  drops(id: number, reason: number): number {
    return this.#at(id, counters + layout.drops + reason);
  }

  #at(id: number, column: number): number {
    return this.#rows[id * stride + column] ?? 0;
  }
}

/** One look at a switch. */
export interface Readings {
  /** Another number when ports came, went or changed their labels. */
  generation: number;
  /** By id. */
  ports: ReadonlyMap<number, PortLabels>;
  /** Ids of those whose numbers changed since the look before. */
  moved: Uint32Array;
  numbers: PortReadings;
  /** Frames dropped, by reason in the order of `layout.dropReasons`; also at ports that are gone. */
  dropped: readonly number[];
  /** Addresses by bridge. */
  macs: ReadonlyMap<string, number>;
  /** By their number. */
  workers: ReadonlyMap<number, WorkerCounters>;
}
