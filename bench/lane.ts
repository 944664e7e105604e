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

export class Lane {
  readonly contender: Contender;
  readonly running: Running;
  readonly traffic: Traffic;
  readonly #folder: string;
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
      const before = memory(running.pids);
      const traffic = await Traffic.start(running, topology, cpus.load);
      const lane = new Lane(contender, running, traffic, folder, before, memory(running.pids));
      running.pause();
      return lane;
    } catch (error) {
      await running?.stop();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(
    contender: Contender,
    running: Running,
    traffic: Traffic,
    folder: string,
    memoryBefore: Memory,
    memoryAfter: Memory,
  ) {
    this.contender = contender;
    this.running = running;
    this.traffic = traffic;
    this.#folder = folder;
    this.memoryBefore = memoryBefore;
    this.memoryAfter = memoryAfter;
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

  /** CPU time that the switch has used, all its threads, in seconds. */
  cpuSeconds(): number {
    return this.running.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
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

/** Of all threads; the first field of schedstat is nanoseconds on a CPU, stat only knows hundredths of a second. */
function cpuSeconds(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number.parseInt(
      readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'),
      10,
    );
  }
  return nanoseconds / 1e9;
}
