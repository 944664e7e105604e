/**
 * Reads the live counters. Each worker writes counters of its own into memory that is seen here as arrays; reading
 * them disturbs no worker. A port's counters are the sums over all workers.
 */
import { type NativeSwitch, native } from './native.js';

/** Frames and bytes in one direction. Bytes are those of Ethernet frames without preamble and checksum. */
export interface Traffic {
  frames: bigint;
  bytes: bigint;
}

/** Counters of one port since it was added. Over all ports, rx + copies = tx + drops + consumed once traffic stands still. */
export interface PortCounters {
  /** Came in from the port. */
  rx: Traffic;
  /** Left by the port. */
  tx: Traffic;
  /** Additional frames made by flooding what came in from the port, or by tunnels that leave by it. */
  copies: bigint;
  /** Outer frames that went into tunnels here, and questions about addresses that were answered. */
  consumed: bigint;
  /** Addresses that moved here from another port. */
  moves: bigint;
  /** Frames whose source was not learned because a limit was met; they were forwarded all the same. */
  learnLimited: bigint;
  /** Frames dropped, by reason; every reason is there. */
  drops: Record<string, bigint>;
}

/** Counters of one worker since the start. */
export interface WorkerCounters {
  loops: bigint;
  /** Time-stamp counter ticks spent on frames. */
  busyCycles: bigint;
  /** Time-stamp counter ticks spent looking for frames. */
  idleCycles: bigint;
  /** Times the worker went to sleep. */
  sleeps: bigint;
  frames: bigint;
  bursts: bigint;
  /** Bursts by size: entry i counts those of at most `burstBounds[i]` frames and more than the bound before. */
  burstSizes: bigint[];
}

/** Upper bounds of `burstSizes`, in frames. */
export const burstBounds: readonly number[] = native.layout.burstBounds;

export class CounterReader {
  readonly #native: NativeSwitch;
  #ports: BigUint64Array[];
  #workers: BigUint64Array[];

  constructor(from: NativeSwitch) {
    this.#native = from;
    this.#ports = from.portCounters();
    this.#workers = from.workerCounters();
  }

  /** Workers that there are or were: what a removed one counted stays in the sums. */
  get workers(): number {
    return this.#workers.length;
  }

  /** A worker has come. */
  refresh(): void {
    this.#ports = this.#native.portCounters();
    this.#workers = this.#native.workerCounters();
  }

  port(id: number): PortCounters {
    const { layout } = native;
    const count = (counter: number) => this.#sum(id * layout.portStride + counter);
    return {
      rx: { frames: count(layout.rxFrames), bytes: count(layout.rxBytes) },
      tx: { frames: count(layout.txFrames), bytes: count(layout.txBytes) },
      copies: count(layout.copies),
      consumed: count(layout.consumed),
      moves: count(layout.moves),
      learnLimited: count(layout.learnLimited),
      drops: Object.fromEntries(
        layout.dropReasons.map(({ name }, index) => [name, count(layout.drops + index)]),
      ),
    };
  }

  worker(index: number): WorkerCounters {
    const counters = this.#workers[index];
    const { worker, burstBounds } = native.layout;
    const count = (name: string) => counters?.[worker.indexOf(name)] ?? 0n;
    return {
      loops: count('loops'),
      busyCycles: count('busyCycles'),
      idleCycles: count('idleCycles'),
      sleeps: count('sleeps'),
      frames: count('frames'),
      bursts: count('bursts'),
      burstSizes: burstBounds.map((bound) => count(`burst${bound}`)),
    };
  }

  #sum(index: number): bigint {
    return this.#ports.reduce((sum, counters) => sum + (counters[index] ?? 0n), 0n);
  }
}

/** All drops together. */
export function totalDrops({ drops }: Pick<PortCounters, 'drops'>): bigint {
  return Object.values(drops).reduce((sum, frames) => sum + frames, 0n);
}
