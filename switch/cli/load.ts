/** A load client: a process of its own at one port, which stands for a container there. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { SwitchError } from '../errors.js';

export interface LoadOptions {
  name: string;
  socket: string;
  mac: string;
  peer: string;
  /** Frames of its own that it keeps going round. */
  window: number;
  /** Bytes of a frame, without checksum. */
  size: number;
}

/** What a client says when it has attached, every second, and at the end. */
export interface LoadReport {
  sent: number;
  received: number;
  /** Received frames that were not as they had been sent. */
  invalid: number;
  final: boolean;
}

export class Load {
  readonly name: string;
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #reports: Interface;
  /** Resolves when the client is at its port. */
  readonly attached: Promise<void>;
  /** Resolves with the last report when the client has ended, however it did; rejects if it could not be run. */
  readonly ended: Promise<LoadReport>;

  constructor(options: LoadOptions) {
    const { name, socket, mac, peer, window, size } = options;
    this.name = name;
    const values = { socket, id: 0, mac, peer, window, size, name };
    const args = Object.entries(values).flatMap(([key, value]) => [`--${key}`, String(value)]);
    this.#process = spawn(executable(), args, { stdio: ['pipe', 'pipe', 'inherit'] });
    // A client that died reads no more; that it ended is told by `ended`.
    this.#process.stdin.on('error', () => undefined);
    this.#reports = createInterface(this.#process.stdout);
    this.attached = this.#firstReport();
    this.ended = this.#lastReport();
  }

  /** Lets it send its first frames; by then its peer must be there, or they would be lost. */
  begin(): void {
    this.#process.stdin.write('\n');
  }

  /** Lets it send nothing new, take what still comes, and end. */
  finish(): Promise<LoadReport> {
    this.#process.stdin.end();
    return this.ended;
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async #firstReport(): Promise<void> {
    await once(this.#reports, 'line');
  }

  async #lastReport(): Promise<LoadReport> {
    let last: LoadReport = { sent: 0, received: 0, invalid: 0, final: false };
    this.#reports.on('line', (line) => {
      last = JSON.parse(line) as LoadReport;
    });
    await once(this.#process, 'close');
    return last;
  }
}

function executable(): string {
  const root = dirname(createRequire(import.meta.url).resolve('memswitch/package.json'));
  const path = join(root, 'build', 'Release', 'load');
  if (!existsSync(path)) {
    throw new SwitchError('NOT_FOUND', `the load client ${path} is not built`, {
      hint: 'run: npm run build',
    });
  }
  return path;
}
