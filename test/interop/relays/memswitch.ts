/** Another memswitch. */
import { Daemon } from '../daemon.js';
import type { Place, Relay } from './relay.js';

export class Memswitch implements Relay {
  readonly #place: Place;
  #daemon: Daemon | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  async start(): Promise<void> {
    const near = { ...this.#place, id: 0 };
    this.#daemon = new Daemon({ near, far: { ...near, id: 1 } }, { workers: near.queues });
    await this.#daemon.ready();
    await this.reattach();
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    await this.#daemon?.end(signal);
  }

  async prepare(): Promise<void> {}

  async reattach(): Promise<void> {
    await this.#daemon?.linked('near', 'far');
  }
}
