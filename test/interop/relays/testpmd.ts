/** DPDK's net_memif, in testpmd. */
import { rmSync } from 'node:fs';
import { memif, testpmd } from '../peers.js';
import type { Program } from '../processes.js';
import type { Place, Relay } from './relay.js';

export class Testpmd implements Relay {
  readonly #place: Place;
  readonly #zeroCopy: boolean;
  #program: Program | undefined;

  constructor(place: Place, zeroCopy: boolean) {
    this.#place = place;
    this.#zeroCopy = zeroCopy;
  }

  async start(): Promise<void> {
    const { socket, role, queues } = this.#place;
    if (role === 'server') {
      // It does not start over the socket file of one that was killed.
      rmSync(socket, { force: true });
    }
    const memory = ['--in-memory', '--single-file-segments', '-m', '128'];
    this.#program = testpmd({
      cpu: 1,
      mode: 'io',
      interactive: true,
      // A zero-copy client closes the memory's descriptor once it is attached: there can be one in a process (22.11).
      vdevs: [0, 1].map((id) =>
        memif({ number: id, id, role, socket, zeroCopy: this.#zeroCopy && id === 0 }),
      ),
      extra: [`--rxq=${queues}`, `--txq=${queues}`],
      ...(this.#zeroCopy && { memory, mbufs: 16_384 }),
    });
    await this.#forward();
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    await this.#program?.end(signal);
  }

  /** Its control thread unmaps the rings while its forwarding threads look at them: it may die of that (22.11). */
  async prepare(): Promise<void> {
    await this.#program?.answer('stop', /Packet forwarding not started/);
  }

  async reattach(): Promise<void> {
    if (this.#zeroCopy) {
      // For the same reason it can't attach once more.
      await this.end('SIGKILL');
      return this.start();
    }
    if (this.#place.role === 'client') {
      // It tries once, when its port is started.
      this.#program?.say('port stop all', 'port start all');
    }
    await this.#forward();
  }

  async #forward(): Promise<void> {
    await this.#program?.answer('show port summary all', /(net_memif +up .*\n.*){2}/);
    await this.#program?.answer('start', /packet forwarding - ports=2/);
  }
}
