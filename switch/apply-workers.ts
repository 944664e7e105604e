/** The part of applying a configuration that concerns workers: those to come are there before ports need them, others go last. */
import type { Configuration } from './config/check.js';
import type { Change } from './config/difference.js';
import type { NativeWorkerOptions, Placement } from './native.js';
import type { Workers } from './workers.js';

export interface RunningWorkers {
  options: ReadonlyMap<number, NativeWorkerOptions>;
  placement: Placement;
  /** Workers from 0 on that configurations brought; others stay, unless pruned. */
  configured: number;
}

export function nativeOptions({ cpu = -1, polling }: Configuration['workers'][number]) {
  return { cpu, polling } satisfies NativeWorkerOptions;
}

export function workerChanges(
  { options, placement, configured }: RunningWorkers,
  wanted: Configuration,
  prune: boolean,
): Change[] {
  const there = wanted.workers.map(nativeOptions).flatMap((after, index): Change[] => {
    const before = options.get(index);
    const name = String(index);
    if (!before) {
      return [{ action: 'add', what: 'worker', name, details: [] }];
    }
    const details = (['cpu', 'polling'] as const)
      .filter((key) => before[key] !== after[key])
      .map((key) => `${key}: ${shown(before[key])} → ${shown(after[key])}`);
    return details.length > 0 ? [{ action: 'change', what: 'worker', name, details }] : [];
  });
  const gone = [...options.keys()]
    .filter((worker) => worker >= wanted.workers.length && (prune || worker < configured))
    .map((worker): Change => {
      return { action: 'remove', what: 'worker', name: String(worker), details: [] };
    });
  const details = [`${placement} → ${wanted.placement}`];
  const placed: Change[] =
    placement === wanted.placement
      ? []
      : [{ action: 'change', what: 'placement', name: 'of queues', details }];
  return [...there, ...placed, ...gone];
}

function shown(value: number | string): string {
  return value === -1 ? 'none' : String(value);
}

/** Runs what is between the coming and the going of workers; when that fails they are as before. */
export async function withWorkers<T>(
  workers: Workers,
  changes: readonly Change[],
  wanted: Configuration,
  between: () => T,
): Promise<T> {
  const before = new Map(workers.options());
  const numbers = (action: Change['action']) =>
    changes
      .filter(({ what, action: its }) => what === 'worker' && its === action)
      .map(({ name }) => Number(name));
  const options = (worker: number) =>
    nativeOptions(wanted.workers[worker] as Configuration['workers'][number]);
  const added: number[] = [];
  try {
    for (const worker of numbers('add')) {
      added.push(await workers.add(options(worker)));
    }
    for (const worker of numbers('change')) {
      workers.set(worker, options(worker));
    }
    const result = between();
    for (const worker of numbers('remove')) {
      await workers.remove(worker);
    }
    return result;
  } catch (error) {
    for (const worker of added.reverse()) {
      await workers.remove(worker);
    }
    for (const worker of numbers('change')) {
      workers.set(worker, before.get(worker) ?? {});
    }
    throw error;
  }
}
