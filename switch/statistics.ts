/** Counters at one moment, and what happened a second between two such moments. */
import { type PortCounters, type Traffic, totalDrops, type WorkerCounters } from './counters.js';
import { native } from './native.js';

/** All counters at one moment. */
export interface Statistics {
  /** Milliseconds on the process's monotonic clock (`performance.now()`). */
  time: number;
  /** By the port's name. */
  ports: ReadonlyMap<string, PortCounters>;
  workers: readonly WorkerCounters[];
}

/** Frames and bytes a second. */
export interface TrafficRate {
  frames: number;
  bytes: number;
}

export interface PortRates {
  rx: TrafficRate;
  tx: TrafficRate;
  /** Frames a second, over all reasons. */
  drops: number;
}

export interface WorkerRates {
  /** Share of the time spent on frames, 0 to 1. */
  busy: number;
  /** Frames a second. */
  frames: number;
}

/** What happened a second between two moments. */
export interface Rates {
  /** Length of the time between. */
  seconds: number;
  ports: ReadonlyMap<string, PortRates>;
  workers: readonly WorkerRates[];
}

/** One step of `Switch.sample()`. */
export interface Sample {
  statistics: Statistics;
  /** Since the step before. */
  rates: Rates;
}

/** Rates between two moments of one switch. A port that is new, or was added again, counts from zero. */
export function ratesBetween(from: Statistics, to: Statistics): Rates {
  const seconds = Math.max((to.time - from.time) / 1000, Number.EPSILON);
  const rate = (before: bigint | undefined, now: bigint) => Number(grown(before, now)) / seconds;
  const traffic = (before: Traffic | undefined, now: Traffic): TrafficRate => ({
    frames: rate(before?.frames, now.frames),
    bytes: rate(before?.bytes, now.bytes),
  });
  const ports = [...to.ports].map(([name, now]): [string, PortRates] => {
    const before = from.ports.get(name);
    const drops = rate(before && totalDrops(before), totalDrops(now));
    return [name, { rx: traffic(before?.rx, now.rx), tx: traffic(before?.tx, now.tx), drops }];
  });
  const workers = to.workers.map((now, index): WorkerRates => {
    const before = from.workers[index];
    const busy = rate(before?.busyCycles, now.busyCycles) / native.cyclesPerSecond();
    return { busy: Math.min(busy, 1), frames: rate(before?.frames, now.frames) };
  });
  return { seconds, ports: new Map(ports), workers };
}

function grown(before: bigint | undefined, now: bigint): bigint {
  return before === undefined || before > now ? now : now - before;
}
