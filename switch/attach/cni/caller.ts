/**
 * The plugin as the daemon sees it: who has called, and who does what must be done among the runtime's own files, for the daemon
 * may run in a container of its own (native/cni/tasks.h has the other half).
 */
import type { Duplex } from 'node:stream';
import { Channel } from './channel.js';

export interface Outcome {
  /** Exit status; `absent`: there is no such plugin; else why it could not be run. */
  status: string;
  stdout: string;
  stderr: string;
}

export class Caller {
  readonly #channel: Channel;
  #notes = '';

  constructor(socket: Duplex) {
    this.#channel = new Channel(socket);
  }

  /** Its environment, as far as it is CNI's, and its input. */
  async call(): Promise<{ env: Record<string, string>; input: string }> {
    const [input = '', ...entries] = await this.#channel.receive();
    const pairs = entries.map((entry) => /^([^=]*)=(.*)$/s.exec(entry) ?? ['', entry, '']);
    return { env: Object.fromEntries(pairs.map(([, key, value]) => [key, value])), input };
  }

  /** Runs another plugin of CNI_PATH, in the caller's environment with these changes. */
  async run(plugin: string, env: Record<string, string>, input: string): Promise<Outcome> {
    const entries = Object.entries(env).map(([key, value]) => `${key}=${value}`);
    this.#channel.send('run', plugin, input, ...entries);
    const [status = '', stdout = '', stderr = ''] = await this.#channel.receive();
    return { status, stdout, stderr };
  }

  async write(path: string, text: string): Promise<void> {
    await this.#ask('write', path, text);
  }

  /** One that is not there is no error. */
  async remove(path: string): Promise<void> {
    await this.#ask('remove', path);
  }

  /** For the runtime's log. */
  note(text: string): void {
    this.#notes += `memswitch-cni: ${text}\n`;
  }

  /** Ends the call. */
  answer(status: number, result: object | undefined): void {
    const text = result === undefined ? '' : `${JSON.stringify(result)}\n`;
    this.#channel.send('answer', String(status), text, this.#notes);
    this.#channel.end();
  }

  hangUp(): void {
    this.#channel.destroy();
  }

  async #ask(...task: string[]): Promise<void> {
    this.#channel.send(...task);
    const [why] = await this.#channel.receive();
    if (why) {
      throw new Error(why);
    }
  }
}
