/** The load on CPU 0: build/Release/blast, one trial a request. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { program } from './contenders.js';

export interface BlastOptions {
  /** Sockets it sends to and receives from. */
  from: string;
  to: string;
  size: string;
  addresses: string;
}

export class Blast {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  /** Resolves when it is attached and the switch has learned all its addresses. */
  static async start(options: BlastOptions): Promise<Blast> {
    const blast = new Blast(options);
    await blast.#next();
    return blast;
  }

  private constructor(options: BlastOptions) {
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    this.#process = spawn(program('blast'), [...args, '--cpu', '0'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  /** Million frames that arrived a second. */
  async trial(seconds: string): Promise<number> {
    this.#process.stdin.write(`${seconds}\n`);
    return Number((await this.#next()).mpps);
  }

  stop(): void {
    this.#process.kill();
  }

  async #next(): Promise<{ mpps?: number }> {
    const { value, done } = await this.#lines.next();
    if (done) {
      throw new Error('blast ended by itself; what it said is above');
    }
    return JSON.parse(value) as { mpps?: number };
  }
}
