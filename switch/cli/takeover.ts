/**
 * One daemon takes the place of another, which it finds by the socket of its API. Peers of memif ports do not notice: their
 * sockets, memory and doorbells are handed over (native/control/handover.h), and frames that lie in their rings stay there until the
 * new workers take them. The rest goes over as a note: the state, as it would be found after a restart, and learned addresses.
 */
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { claimSocket } from '../api/socket.js';
import type { WorkerOptions } from '../config/options.js';
import { SwitchError } from '../errors.js';
import { type NativeHeritage, native } from '../native.js';
import { parseState, type State, stateText } from '../state/store.js';
import type { WorkerStatus } from '../status.js';
import { Client } from './client.js';

/** For the former daemon to leave the socket of its API. */
const patienceMs = 10_000;

export interface Inheritance {
  heritage: NativeHeritage;
  state: State;
  /** Learned addresses, packed. */
  learned: Buffer;
}

export function packNote(state: State, learned: Buffer): Buffer {
  return Buffer.concat([Buffer.from(stateText(state)), learned]);
}

/** The daemon whose place is to be taken. */
export class Predecessor {
  readonly #api: string;
  readonly #client: Client;
  /** So many, and such, are to be ready for its peers. */
  readonly workers: WorkerOptions[];

  private constructor(api: string, client: Client, workers: WorkerOptions[]) {
    this.#api = api;
    this.#client = client;
    this.workers = workers;
  }

  /** Undefined where nobody serves the socket. */
  static async find(api: string): Promise<Predecessor | undefined> {
    const client = new Client(api);
    try {
      const workers = await client.get<WorkerStatus[]>('/v1/workers');
      const options = workers.map(({ cpu, polling }) =>
        cpu === null ? { polling } : { cpu, polling },
      );
      return new Predecessor(api, client, options);
    } catch (error) {
      if (error instanceof SwitchError && error.code === 'UNREACHABLE') {
        return undefined;
      }
      throw error;
    }
  }

  /** Resolves when it has given everything and its switch is closed. */
  async handsOver(): Promise<Inheritance> {
    const socket = `${this.#api}.${process.pid}`;
    const { arrival, cancel } = native.receiveHandover(socket);
    const refusal = this.#client
      .text('POST', '/v1/takeover', { socket, pid: process.pid })
      .catch((error: SwitchError) => {
        // It may end before its answer is out: whether it gave anything is seen by what arrives, or does not in time.
        if (error.code !== 'UNREACHABLE') {
          throw error;
        }
      })
      .then(() => new Promise<never>(() => undefined));
    try {
      const { note, heritage } = await Promise.race([arrival, refusal]);
      const end = note.indexOf('\n');
      const state = parseState(note.toString('utf8', 0, end));
      return { heritage, state, learned: note.subarray(end + 1) };
    } finally {
      arrival.catch(() => undefined);
      cancel();
      rmSync(socket, { force: true });
    }
  }

  /** Waits until the socket of its API is free. */
  async leaves(): Promise<void> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      try {
        return await claimSocket(this.#api);
      } catch (error) {
        if (performance.now() > deadline) {
          throw error;
        }
        await delay(10);
      }
    }
  }
}
