/**
 * Peers of the switch, each as a relay: it attaches to two ports of the switch, `near` and `far`, and passes on what comes by
 * one through the other. So each frame crosses the peer's receive and its transmit side.
 */
import { rmSync } from 'node:fs';
import { Daemon } from './daemon.js';
import { memif, testpmd } from './peers.js';
import type { Program } from './processes.js';

export interface Relay {
  /** Attached, and passing on frames. A second time after end(). */
  start(): Promise<void>;
  end(signal: NodeJS.Signals): Promise<void>;
  /** What its operator must do before the switch ends, and after it has come back; then it is as after start(). */
  prepare(): Promise<void>;
  reattach(): Promise<void>;
}

export interface Place {
  near: string;
  far: string;
  role: 'server' | 'client';
  queues: number;
}

/** DPDK's net_memif. */
export class Testpmd implements Relay {
  readonly #place: Place;
  readonly #zeroCopy: boolean;
  #program: Program | undefined;

  constructor(place: Place, zeroCopy: boolean) {
    this.#place = place;
    this.#zeroCopy = zeroCopy;
  }

  async start(): Promise<void> {
    const { near, far, role, queues } = this.#place;
    if (role === 'server') {
      // It does not start over the socket file of one that was killed.
      rmSync(near, { force: true });
      rmSync(far, { force: true });
    }
    const memory = ['--in-memory', '--single-file-segments', '-m', '128'];
    this.#program = testpmd({
      cpu: 1,
      mode: 'io',
      interactive: true,
      vdevs: [near, far].map((socket, number) =>
        memif({ number, role, socket, zeroCopy: this.#zeroCopy }),
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
      // With its link it has closed the descriptors of the process's own memory: it can't send them once more (22.11).
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

/** Another memswitch. */
export class Memswitch implements Relay {
  readonly #place: Place;
  #daemon: Daemon | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  async start(): Promise<void> {
    const { near, far, role, queues } = this.#place;
    const port = (socket: string) => ({ socket, role, queues });
    this.#daemon = new Daemon({ near: port(near), far: port(far) }, { workers: queues });
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
