/** VPP with two memif interfaces, cross-connected, where it is installed. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Program } from '../processes.js';
import type { Place, Relay } from './relay.js';

/** Why there can be none; undefined: there can. */
export function noVpp(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.some((path) => existsSync(join(path, 'vpp'))) ? undefined : 'no vpp in PATH';
}

export class Vpp implements Relay {
  readonly #place: Place;
  readonly #mode: 'interrupt' | 'polling';
  #folder = '';
  #program: Program | undefined;

  constructor(place: Place, mode: 'interrupt' | 'polling') {
    this.#place = place;
    this.#mode = mode;
  }

  async start(): Promise<void> {
    const { socket, role, queues } = this.#place;
    this.#folder = mkdtempSync(join(tmpdir(), 'memswitch-vpp-'));
    const vppRole = role === 'server' ? 'master' : 'slave';
    const commands = [
      `create memif socket id 1 filename ${socket}`,
      ...[0, 1].flatMap((id) => [
        `create interface memif id ${id} socket-id 1 ${vppRole} rx-queues ${queues} tx-queues ${queues}`,
        `set interface rx-mode memif1/${id} ${this.#mode}`,
        `set interface state memif1/${id} up`,
      ]),
      'set interface l2 xconnect memif1/0 memif1/1',
      'set interface l2 xconnect memif1/1 memif1/0',
    ];
    const file = join(this.#folder, 'commands');
    writeFileSync(file, `${commands.join('\n')}\n`);
    const unix = `unix { nodaemon runtime-dir ${this.#folder} exec ${file} }`;
    const sections = [
      unix,
      'plugins { plugin default { disable } plugin memif_plugin.so { enable } }',
      'buffers { buffers-per-numa 16384 page-size default }',
      'memory { main-heap-size 256M main-heap-page-size default }',
      'physmem { max-size 256M }',
      'statseg { size 32M page-size default }',
      'api-segment { gid root }',
    ];
    this.#program = new Program('vpp', sections);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    await this.#program?.end(signal);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async prepare(): Promise<void> {}

  async reattach(): Promise<void> {}
}
