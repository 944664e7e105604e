/** The state of the whole, and of its workers, as people and programs look at it. */
import { createRequire } from 'node:module';
import {
  burstBounds,
  type PortCounters,
  type Traffic,
  totalDrops,
  type WorkerCounters,
} from './counters.js';
import { type NativeWorkerState, native, type Polling } from './native.js';
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
  /** NUMA node of the CPU; null: unknown, or not pinned. */
  node: number | null;
  /** Share of the last second that was spent on frames, 0 to 1. */
  busy: number;
  /** In the last second; 0 without frames. */
  framesPerBurst: number;
  cyclesPerFrame: number;
  /** The receive queues that it polls. */
  queues: QueueStatus[];
  /** Bursts by size: those of at most `frames` frames and more than the entry before. */
  burstSizes: { frames: number; bursts: bigint }[];
}

/** A receive queue, and what it takes of its worker. */
export interface QueueStatus {
  /** Of sockets that several tunnels share, one of these. */
  port: string;
  /** Number among the port's queues, from 0. */
  queue: number;
  frames: bigint;
  /** Share of the last second, 0 to 1: the worker's busy time by the queue's share of its frames. */
  load: number;
  /** Stays where somebody put it. */
  byHand: boolean;
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
  { cpu, node, queues, ...state }: NativeWorkerState,
  running: boolean,
  { burstSizes, ...counters }: WorkerCounters,
  nameOf: (port: number) => string | undefined,
): WorkerStatus {
  const sizes = burstSizes.map((bursts, index) => ({ frames: burstBounds[index] ?? 0, bursts }));
  const own = queues.map((queue) => ({ ...queue, port: nameOf(queue.port) ?? '' }));
  return {
    ...state,
    cpu: cpu < 0 ? null : cpu,
    node: node < 0 ? null : node,
    running,
    ...counters,
    burstSizes: sizes,
    queues: own,
  };
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
