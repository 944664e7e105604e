/** The daemon as its users run it, and the command as they ask it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { PortStatus } from 'memswitch';
import { Program, run, until } from './processes.js';

const cli = join(import.meta.dirname, '..', '..', 'dist', 'switch', 'cli', 'main.js');

/** As JSON has it: counters are numbers there. */
type Shown<T> = { [K in keyof T]: T[K] extends bigint ? number : Shown<T[K]> };
export type ShownPort = Shown<PortStatus>;

export interface ShownMac {
  mac: string;
  port: string;
  kind: string;
  remote: string | null;
}

export interface DaemonOptions {
  workers?: number;
  polling?: 'busy' | 'adaptive' | 'interrupt';
}

export class Daemon {
  readonly folder = mkdtempSync(join(tmpdir(), 'memswitch-interop-'));
  readonly #api = join(this.folder, 'api.sock');
  readonly #ports: Record<string, object>;
  program: Program;

  constructor(ports: Record<string, object>, options: DaemonOptions = {}) {
    const complete = Object.entries(ports).map(([name, port]) => [
      name,
      { kind: 'memif', bridge: 'blue', socket: this.socket(name), ...port },
    ]);
    this.#ports = Object.fromEntries(complete);
    this.program = this.#run(options);
  }

  #run(options: DaemonOptions): Program {
    const config = join(this.folder, 'config.json');
    writeFileSync(config, JSON.stringify({ ...options, ports: this.#ports }));
    const args = [cli, 'run', '--config', config, '--api', this.#api];
    return new Program(process.execPath, args);
  }

  /** Ends it and starts another with the same ports. */
  async restart(signal: NodeJS.Signals, options: DaemonOptions): Promise<void> {
    await this.program.end(signal);
    this.program = this.#run(options);
    await this.ready();
  }

  socket(port: string): string {
    return join(this.folder, `${port}.sock`);
  }

  async ready(): Promise<void> {
    await until('memswitch ready', () => this.program.output.includes('memswitch ready'));
  }

  command(...args: string[]): string {
    return run('env', `MEMSWITCH_API=${this.#api}`, process.execPath, cli, ...args);
  }

  /** One that goes on beside what the test does. */
  start(...args: string[]): Program {
    return new Program('env', [`MEMSWITCH_API=${this.#api}`, process.execPath, cli, ...args]);
  }

  ports(): ShownPort[] {
    return JSON.parse(this.command('show', 'ports', '--json'));
  }

  port(name: string): ShownPort {
    return JSON.parse(this.command('show', 'ports', name, '--json'));
  }

  macs(): ShownMac[] {
    return JSON.parse(this.command('show', 'macs', '--json')).macs;
  }

  async linked(...names: string[]): Promise<void> {
    await until(`links up: ${names.join(', ')}`, async () =>
      (await this.named(...names)).every(({ link }) => link === 'up'),
    );
  }

  /** Some of the ports, by the API: the command takes longer to start than a handshake. */
  async named(...names: string[]): Promise<ShownPort[]> {
    const request = get({ socketPath: this.#api, path: '/v1/ports' });
    const [answer] = await once(request, 'response');
    const ports = (await json(answer)) as ShownPort[];
    return ports.filter(({ name }) => names.includes(name));
  }

  /** Both sides of the balance, over all ports: frames that came and were made; that left, went into tunnels, were dropped. */
  balance(): { came: number; ended: number } {
    const sum = (read: (port: ShownPort) => number) =>
      this.ports().reduce((total, port) => total + read(port), 0);
    const drops = (port: ShownPort) =>
      Object.values(port.drops as Record<string, number>).reduce((a, b) => a + b, 0);
    return {
      came: sum(({ rx, copies }) => rx.frames + copies),
      ended: sum((port) => port.tx.frames + port.consumed + drops(port)),
    };
  }

  /** Ends it as an operator would; its exit status. */
  stop(): Promise<number | null> {
    return this.end('SIGTERM');
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const status = await this.program.end(signal);
    rmSync(this.folder, { recursive: true, force: true });
    return status;
  }
}
