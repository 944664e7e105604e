/** A program of ours over libmemif (libmemif_relay.c), where the library is installed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program, run, until } from '../processes.js';
import type { Place, Relay } from './relay.js';

/** How to compile against it: LIBMEMIF names where it is installed, or pkg-config knows. */
function flags(): string[] | undefined {
  const prefix = process.env.LIBMEMIF;
  if (prefix) {
    return [`-I${prefix}/include`, `-L${prefix}/lib`, `-Wl,-rpath,${prefix}/lib`, '-lmemif'];
  }
  const asked = spawnSync('pkg-config', ['--cflags', '--libs', 'libmemif'], { encoding: 'utf8' });
  return asked.status === 0 ? asked.stdout.trim().split(/\s+/) : undefined;
}

/** Why there can be none; undefined: there can. */
export function noLibmemif(): string | undefined {
  return flags() ? undefined : 'pkg-config finds no libmemif, and LIBMEMIF names no prefix of one';
}

let folder: string | undefined;

/** The program, compiled at its first use. */
function program(): string {
  const make = () => {
    const path = mkdtempSync(join(tmpdir(), 'memswitch-libmemif-'));
    const source = join(import.meta.dirname, 'libmemif_relay.c');
    run('gcc', '-O2', '-Wall', source, '-o', join(path, 'relay'), ...(flags() ?? []));
    process.on('exit', () => rmSync(path, { recursive: true, force: true }));
    return path;
  };
  folder ??= make();
  return join(folder, 'relay');
}

export class Libmemif implements Relay {
  readonly #place: Place;
  readonly #mode: 'interrupt' | 'polling';
  #program: Program | undefined;
  #said = 0;

  constructor(place: Place, mode: 'interrupt' | 'polling') {
    this.#place = place;
    this.#mode = mode;
  }

  async start(): Promise<void> {
    const { socket, role, queues } = this.#place;
    if (role === 'server') {
      rmSync(socket, { force: true }); // as above
    }
    const args = [role, socket, `${queues}`, this.#mode];
    this.#program = new Program(program(), args);
    await this.#connected();
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    await this.#program?.end(signal);
  }

  async prepare(): Promise<void> {
    this.#said = this.#program?.output.length ?? 0;
  }

  async reattach(): Promise<void> {
    await this.#connected();
  }

  async #connected(): Promise<void> {
    const said = () => this.#program?.output.slice(this.#said) ?? '';
    await until('both connected', () => (said().match(/^connected/gm) ?? []).length >= 2);
    this.#said = 0;
  }
}
