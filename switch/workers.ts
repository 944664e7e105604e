/**
 * The threads of the poll workers: one piscina task each, which enters the native loop and stays until its worker is removed
 * or the switch stops.
 *
 * Nothing reaches such a thread from JavaScript: messages, terminate() and process.exit() all wait until the native call
 * returns, and pool.destroy() on a running loop leaves a process that never ends (measured). So the native stop flag is
 * raised before the pool is closed, and by a hook when the process exits; with it a pool closes in about 10 ms.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Piscina } from 'piscina';
import { nativeCall, SwitchError } from './errors.js';
import { type NativeSwitch, type NativeWorkerOptions, native } from './native.js';
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
  readonly #options = new Map<number, NativeWorkerOptions>();
  readonly #runs = new Map<number, Promise<void>>();
  readonly #failed = new Map<number, SwitchError>();
  readonly #onFailure: (worker: number, error: SwitchError) => void;
  #stopping = false;

  /** @param onFailure called when a worker ends without being told to. */
  constructor(
    owner: NativeSwitch,
    options: NativeWorkerOptions[],
    onFailure: (worker: number, error: SwitchError) => void,
  ) {
    if (!process.listeners('exit').includes(stopAll)) {
      process.on('exit', stopAll);
    }
    running.add(owner);
    this.#native = owner;
    this.#onFailure = onFailure;
    // One thread for each, never a queue; a removed worker's thread goes away by itself.
    this.#pool = new Piscina({
      filename: new URL('./worker.js', import.meta.url).href,
      minThreads: options.length,
      maxThreads: native.limits.workers,
      idleTimeout: 1000,
    });
    for (const [worker, own] of options.entries()) {
      this.#begin(worker, own);
    }
  }

  /** Waits until every worker polls. */
  async started(): Promise<void> {
    const deadline = performance.now() + startTimeoutMs;
    const counters = this.#native.workerCounters();
    const numbers = [...this.#options.keys()];
    while (numbers.some((worker) => counters[worker]?.every((count) => count === 0n))) {
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

  get size(): number {
    return this.#options.size;
  }

  /** By number. */
  options(): ReadonlyMap<number, NativeWorkerOptions> {
    return this.#options;
  }

  isRunning(worker: number): boolean {
    return !this.#stopping && this.#runs.has(worker) && !this.#failed.has(worker);
  }

  /** Resolves with its number when it polls; takes its share of the queues. */
  async add(options: NativeWorkerOptions): Promise<number> {
    const worker = nativeCall('workers', () => this.#native.addWorker(options));
    this.#begin(worker, options);
    await this.started();
    this.#native.spreadQueues();
    return worker;
  }

  set(worker: number, changes: Partial<NativeWorkerOptions>): void {
    const options = { cpu: -1, polling: 'adaptive', ...this.#options.get(worker), ...changes };
    nativeCall('workers', () => this.#native.setWorker(worker, options as NativeWorkerOptions));
    this.#options.set(worker, options as NativeWorkerOptions);
  }

  /** Resolves when its thread is free; others have taken its queues before. */
  async remove(worker: number): Promise<void> {
    nativeCall('workers', () => this.#native.removeWorker(worker));
    this.#options.delete(worker);
    const run = this.#runs.get(worker);
    this.#runs.delete(worker);
    this.#failed.delete(worker);
    await run;
  }

  /** Resolves when no worker polls any more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#native.stop();
    await Promise.all(this.#runs.values());
  }

  /** Ends their threads, which takes tens of milliseconds: nobody need wait for that with what the workers used. */
  async close(): Promise<void> {
    await this.#pool.close();
    running.delete(this.#native);
  }

  #begin(worker: number, options: NativeWorkerOptions): void {
    this.#options.set(worker, options);
    const run = this.#run(worker).catch((error: SwitchError) => {
      this.#failed.set(worker, error);
      this.#onFailure(worker, error);
    });
    this.#runs.set(worker, run);
  }

  async #run(worker: number): Promise<void> {
    let cause: unknown;
    try {
      await this.#pool.run({ token: this.#native.token, worker });
    } catch (error) {
      cause = error;
    }
    if (!this.#stopping && this.#options.has(worker)) {
      const reason = cause instanceof Error ? cause.message : 'its loop returned';
      const hint = 'close the switch and start a new one';
      throw new SwitchError('SYSTEM', `worker ${worker} ended: ${reason}`, { cause, hint });
    }
  }
}
