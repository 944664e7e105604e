/** A switch that is up, with the load attached to it: stopped, but for its own turns. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Peer, Running, Topology } from './peer.js';
import { Traffic } from './traffic.js';

/** Who is measured: a peer as one scenario sets it up. */
export interface Contender {
  /** In results; the peer's name, and what is special. */
  label: string;
  peer: Peer;
  topology: Topology;
}

export interface Cpus {
  load: number;
  switch: number;
}

/** In bytes. */
export interface Memory {
  /** Private and resident. */
  private: number;
  /** Shared and resident: rings and buffers of the attached. */
  shared: number;
  /** Huge pages mapped. */
  huge: number;
}

interface Parts {
  contender: Contender;
  running: Running;
  traffic: Traffic;
  memoryBefore: Memory;
  memoryAfter: Memory;
  folder: string;
  cpus: Cpus;
}

export class Lane {
  readonly contender: Contender;
  readonly running: Running;
  readonly traffic: Traffic;
  readonly #folder: string;
  readonly #switchCpu: number;
  /** Before and after the load attached. */
  readonly memoryBefore: Memory;
  readonly memoryAfter: Memory;
  /** Frames a second at the size being measured, found by a scenario for its own use. */
  capacity = 0;

  static async start(contender: Contender, cpus: Cpus): Promise<Lane> {
    const { peer, topology } = contender;
    const folder = mkdtempSync(join(tmpdir(), 'memswitch-bench-'));
    let running: Running | undefined;
    try {
      const place = { folder, loadCpu: cpus.load, switchCpu: cpus.switch };
      running = await peer.start(topology, place);
      const memoryBefore = memory(running.pids);
      const traffic = await Traffic.start(running, topology, cpus.load);
      const memoryAfter = memory(running.pids);
      running.pause();
      return new Lane({ contender, running, traffic, memoryBefore, memoryAfter, folder, cpus });
    } catch (error) {
      await running?.stop();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(parts: Parts) {
    this.contender = parts.contender;
    this.running = parts.running;
    this.traffic = parts.traffic;
    this.memoryBefore = parts.memoryBefore;
    this.memoryAfter = parts.memoryAfter;
    this.#folder = parts.folder;
    this.#switchCpu = parts.cpus.switch;
  }

  /** Lets the switch run for as long as `work` takes. */
  async awake<T>(work: () => Promise<T>): Promise<T> {
    this.running.resume();
    try {
      return await work();
    } finally {
      this.running.pause();
    }
  }

  /** CPU time that the switch has used, in seconds: all its threads, or those that may run beside the switch CPU. */
  cpuSeconds(which: 'all' | 'control' = 'all'): number {
    const besides = which === 'control' ? this.#switchCpu : undefined;
    return this.running.pids.reduce((sum, pid) => sum + cpuSeconds(pid, besides), 0);
  }

  async stop(): Promise<void> {
    this.running.resume();
    await this.traffic.stop();
    await this.running.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function memory(pids: number[]): Memory {
  const sum = { private: 0, shared: 0, huge: 0 };
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const bytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024;
    sum.private += bytes('RssAnon');
    sum.shared += bytes('RssShmem');
    sum.huge += bytes('HugetlbPages');
  }
  return sum;
}

/**
 * Of all threads but those pinned to the CPU `besides`. The first field of schedstat is nanoseconds on a CPU; stat only knows
 * hundredths of a second.
 */
function cpuSeconds(pid: number, besides?: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const read = (file: string) => readFileSync(`/proc/${pid}/task/${thread}/${file}`, 'utf8');
    if (/^Cpus_allowed_list:\s+(\S+)$/m.exec(read('status'))?.[1] !== String(besides)) {
      nanoseconds += Number.parseInt(read('schedstat'), 10);
    }
  }
  return nanoseconds / 1e9;
}
