/**
 * The threads of the poll workers: one piscina task each, which enters the native loop once and stays.
 *
 * Nothing reaches such a thread from JavaScript: messages, terminate() and process.exit() all wait until the native call
 * returns, and pool.destroy() on a running loop leaves a process that never ends (measured). So the native stop flag is
 * raised before the pool is closed, and by a hook when the process exits; with it a pool closes in about 10 ms.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Piscina } from 'piscina';
import { SwitchError } from './errors.js';
import type { NativeSwitch } from './native.js';
import type { WorkerTask } from './worker.js';

const startTimeoutMs = 10_000;

/** Switches whose workers run; also keeps one alive that nobody refers to any more. */
const running = new Set<NativeSwitch>();

function stopAll(): void {
  for (const each of running) {
    each.stop();
  }
}

export class Workers {
  readonly #native: NativeSwitch;
  readonly #pool: Piscina<WorkerTask, void>;
  readonly #runs: Promise<void>[];
  readonly #failed = new Map<number, SwitchError>();
  #stopping = false;

  /** @param onFailure called when a worker ends without being told to. */
  constructor(
    owner: NativeSwitch,
    count: number,
    onFailure: (worker: number, error: SwitchError) => void,
  ) {
    if (!process.listeners('exit').includes(stopAll)) {
      process.on('exit', stopAll);
    }
    running.add(owner);
    this.#native = owner;
    this.#pool = new Piscina({
      filename: new URL('./worker.js', import.meta.url).href,
      minThreads: count,
      maxThreads: count,
    });
    this.#runs = Array.from({ length: count }, (_, worker) =>
      this.#run(worker).catch((error: SwitchError) => {
        this.#failed.set(worker, error);
        onFailure(worker, error);
      }),
    );
  }

  /** Waits until every worker polls. */
  async started(): Promise<void> {
    const deadline = performance.now() + startTimeoutMs;
    const counters = this.#native.workerCounters();
    while (counters.some((worker) => worker.every((count) => count === 0n))) {
      const [failure] = this.#failed.values();
      if (failure) {
        throw failure;
      }
      if (performance.now() > deadline) {
        const what = `not every worker was running after ${startTimeoutMs / 1000} s`;
        throw new SwitchError('SYSTEM', what, { hint: 'see whether their CPUs are overloaded' });
      }
      await delay(1);
    }
  }

  isRunning(worker: number): boolean {
    return !this.#stopping && !this.#failed.has(worker);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#native.stop();
    await Promise.all(this.#runs);
    await this.#pool.close();
    running.delete(this.#native);
  }

  async #run(worker: number): Promise<void> {
    let cause: unknown;
    try {
      await this.#pool.run({ token: this.#native.token, worker });
    } catch (error) {
      cause = error;
    }
    if (!this.#stopping) {
      const reason = cause instanceof Error ? cause.message : 'its loop returned';
      const hint = 'close the switch and start a new one';
      throw new SwitchError('SYSTEM', `worker ${worker} ended: ${reason}`, { cause, hint });
    }
  }
}
