/** Source and sink: bench/traffic.cc, a command a line, an answer a line. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Running, Topology } from './peer.js';
import { built, Program } from './programs.js';
import { tunnelHeaders } from './tunnel.js';

/** `away`: to who is behind none of the load's ports. `receive`: nothing is sent; what comes is taken. */
export type Pattern = 'one-way' | 'away' | 'back' | 'both-ways' | 'flood' | 'receive';

export interface RunOptions {
  seconds: number;
  /** Bytes without checksum, or `imix`: 64, 594 and 1518 bytes, 7:4:1. */
  size: string;
  pattern?: Pattern;
  /** Behind each receiver; sent to in random order. Default 1. */
  addresses?: number;
  /** Frames a second; default as many as the rings take. */
  rate?: number;
  /** Whether each frame carries the time it left. */
  stamp?: boolean;
  /** Seconds of the same before what is counted. Default 0. */
  warm?: number;
  /** Whether all that arrives counts, whatever it carries. */
  any?: boolean;
}

/** In nanoseconds. */
export interface Latency {
  p50: number;
  p99: number;
  p999: number;
  max: number;
  /** Upper bound and number of frames of each bucket that is not empty. */
  histogram: [number, number][];
}

export interface Moved {
  /** Frames due to be sent; what full rings refused counts as lost, as on a wire. */
  offered: number;
  sent: number;
  /** Frames that arrived while sending, and after. */
  received: number;
  late: number;
  /** Times the load itself was kept from its CPU for so long that what was due was forgiven. */
  stalls: number;
  seconds: number;
  latency?: Latency;
}

export class Traffic {
  readonly #program: Program;
  readonly #lines: AsyncIterator<string>;
  /** Seconds it took to attach to all ports, one after the other. */
  attachSeconds = 0;

  /** Resolves when it is attached to all ports. */
  static async start(running: Running, topology: Topology, cpu: number): Promise<Traffic> {
    const traffic = new Traffic(running, topology, cpu);
    try {
      const { seconds } = await traffic.#next<{ seconds: number }>();
      traffic.attachSeconds = seconds;
      return traffic;
    } catch (error) {
      await traffic.stop();
      throw error;
    }
  }

  private constructor({ endpoints, queues }: Running, topology: Topology, cpu: number) {
    const { active, tunnel } = topology;
    const largest = topology.largest + (tunnel ? tunnelHeaders : 0);
    const options = { cpu, queues, active, largest };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    if (tunnel && endpoints.length > 1) {
      args.push('--tunnel');
    }
    this.#program = new Program(built('traffic'), [...args, ...endpoints]);
    const { stdout } = this.#program.child;
    if (stdout === null) {
      throw new Error('traffic has no standard output');
    }
    this.#lines = createInterface(stdout)[Symbol.asyncIterator]();
  }

  /** The switch learns where so many addresses of each port are; shows that it moves frames. */
  async announce(addresses: number): Promise<void> {
    await this.#command('announce', { addresses });
  }

  run(options: RunOptions): Promise<Moved> {
    return this.#command('run', { ...options });
  }

  /** Single frames after pauses, in seconds. */
  wake(count: number, pause: number): Promise<{ lost: number; latency: Latency }> {
    return this.#command('wake', { count, pause });
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }

  #command<Answer>(name: string, options: Record<string, unknown>): Promise<Answer> {
    const words = Object.entries(options).map(([key, value]) => `${key}=${plain(value)}`);
    this.#program.child.stdin?.write(`${[name, ...words].join(' ')}\n`);
    return this.#next();
  }

  async #next<Answer>(): Promise<Answer> {
    const { value, done } = await this.#lines.next();
    if (done) {
      if (this.#program.running) {
        await once(this.#program.child, 'exit');
      }
      throw new Error(`the load ended by itself: ${this.#program.output.trim()}`);
    }
    return JSON.parse(value) as Answer;
  }
}

function plain(value: unknown): string {
  return typeof value === 'boolean' ? String(Number(value)) : String(value);
}
