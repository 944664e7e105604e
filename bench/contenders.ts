/** The switches under test: each a process on CPU 1 with two memif server ports, started, paused and stopped alike. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const root = dirname(createRequire(import.meta.url).resolve('memswitch/package.json'));

/** A program of the native build. */
export function program(name: string): string {
  return join(root, 'build', 'Release', name);
}

export class Contender {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly #folder: string;
  readonly #process: ChildProcess;

  /** Resolves when both sockets are there. */
  static async start(
    name: string,
    command: (from: string, to: string, folder: string) => string[],
  ): Promise<Contender> {
    const contender = new Contender(name, command);
    for (let tries = 0; ![contender.from, contender.to].every(existsSync); ++tries) {
      if (tries === 100 || contender.#process.exitCode !== null) {
        throw new Error(`${name} did not start; what it said is above`);
      }
      await delay(100);
    }
    await delay(1000); // testpmd makes its sockets before it serves their ids
    return contender;
  }

  private constructor(
    name: string,
    command: (from: string, to: string, folder: string) => string[],
  ) {
    this.name = name;
    this.#folder = mkdtempSync(join(tmpdir(), 'memswitch-bench-'));
    this.from = join(this.#folder, 'from.sock');
    this.to = join(this.#folder, 'to.sock');
    const [file = '', ...args] = command(this.from, this.to, this.#folder);
    // Standard input stays open: testpmd ends with it.
    this.#process = spawn(file, args, { stdio: ['pipe', 'ignore', 'inherit'] });
  }

  pause(): void {
    this.#process.kill('SIGSTOP');
  }

  resume(): void {
    this.#process.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.resume();
    this.#process.kill('SIGTERM');
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** A bridge with one busy worker, as its users run it. */
export function startMemswitch(addresses: number): Promise<Contender> {
  return Contender.start('memswitch', (from, to, folder) => {
    const port = (socket: string) => ({ kind: 'memif', bridge: 'b', socket });
    const config = join(folder, 'config.json');
    const options = {
      workers: [{ cpu: 1 }],
      polling: 'busy',
      bridges: { b: { macLimit: addresses + 1000 } },
      ports: { from: port(from), to: port(to) },
    };
    writeFileSync(config, JSON.stringify(options));
    const cli = join(root, 'dist', 'switch', 'cli', 'main.js');
    const api = join(folder, 'api.sock');
    return [process.execPath, cli, 'run', '--config', config, '--api', api];
  });
}

/** DPDK's testpmd between two net_memif servers: `io` passes frames on and looks nothing up. */
export function startTestpmd(): Promise<Contender> {
  return Contender.start('testpmd io', (from, to) => {
    const device = (index: number, socket: string) =>
      `--vdev=net_memif${index},role=server,id=0,socket=${socket},socket-abstract=no,rsize=10,bsize=2048`;
    const eal = '-l 0,1 --no-pci --no-telemetry --no-huge -m 256 --log-level=3'.split(' ');
    const prefix = `--file-prefix=bench${process.pid}`;
    const pmd = '--forward-mode=io --auto-start --disable-link-check --total-num-mbufs=16384';
    return [
      'dpdk-testpmd',
      ...eal,
      prefix,
      device(0, from),
      device(1, to),
      '--',
      ...pmd.split(' '),
    ].concat('--stats-period', '1000');
  });
}
