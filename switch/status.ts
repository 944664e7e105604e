/** The state of the whole, and of its workers, as people and programs look at it. */
import { createRequire } from 'node:module';
import {
  burstBounds,
  type PortCounters,
  type Traffic,
  totalDrops,
  type WorkerCounters,
} from './counters.js';
import { native, type Polling } from './native.js';
import type { PortStatus } from './ports.js';

/** Version of this package. */
export const version: string = createRequire(import.meta.url)('memswitch/package.json').version;

/** The switch as a whole. */
export interface SwitchStatus {
  version: string;
  pid: number;
  /** Seconds since the start. */
  uptime: number;
  workers: number;
  bridges: number;
  ports: number;
  /** Sums over all ports that exist. */
  rx: Traffic;
  tx: Traffic;
  copies: bigint;
  drops: bigint;
}

/** A poll worker with its counters. */
export interface WorkerStatus extends Omit<WorkerCounters, 'burstSizes'> {
  worker: number;
  /** CPU that its thread is pinned to; null for none. */
  cpu: number | null;
  polling: Polling;
  running: boolean;
  /** Bursts by size: those of at most `frames` frames and more than the entry before. */
  burstSizes: { frames: number; bursts: bigint }[];
}

export function sums(ports: PortCounters[]): Pick<SwitchStatus, 'rx' | 'tx' | 'copies' | 'drops'> {
  const sum = (count: (port: PortCounters) => bigint) =>
    ports.reduce((total, port) => total + count(port), 0n);
  return {
    rx: { frames: sum(({ rx }) => rx.frames), bytes: sum(({ rx }) => rx.bytes) },
    tx: { frames: sum(({ tx }) => tx.frames), bytes: sum(({ tx }) => tx.bytes) },
    copies: sum(({ copies }) => copies),
    drops: sum(totalDrops),
  };
}

export function workerStatus(
  worker: number,
  options: { cpu?: number | undefined; polling: Polling },
  running: boolean,
  { burstSizes, ...counters }: WorkerCounters,
): WorkerStatus {
  const sizes = burstSizes.map((bursts, index) => ({ frames: burstBounds[index] ?? 0, bursts }));
  const { cpu = null, polling } = options;
  return { worker, cpu, polling, running, ...counters, burstSizes: sizes };
}

/** Frames that one port dropped for one reason. */
export interface Drop {
  port: string;
  reason: string;
  /** Whether they came in from the port (`rx`) or were to leave by it (`tx`). */
  side: 'rx' | 'tx';
  frames: bigint;
  /** What the reason means, in one sentence. */
  help: string;
}

/** Every reason for which anything was dropped. */
export function dropsOf(ports: Pick<PortStatus, 'name' | 'drops'>[]): Drop[] {
  return ports.flatMap(({ name: port, drops }) =>
    native.layout.dropReasons.flatMap(({ name: reason, side, help }): Drop[] => {
      const frames = drops[reason] ?? 0n;
      return frames > 0n ? [{ port, reason, side, frames, help }] : [];
    }),
  );
}
