/**
 * What happens in a switch, told to any number of consumers. Each consumer has a queue of its own with a bound, so that a
 * slow one costs memory for 1,024 events and loses the newest beyond that; it is told how many.
 */
import type { SwitchError } from './errors.js';

/** One event, told apart by `type`; names stand where native code has ids. */
export type SwitchEvent =
  /** A peer attached to the port. */
  | { type: 'link-up'; port: string; peer: string }
  /** The peer left, or was cut off. */
  | { type: 'link-down'; port: string; reason: string }
  /** A peer broke the protocol; `error` is its kind as in the metrics, for example `index_jump`. */
  | { type: 'protocol-error'; port: string; error: string; reason: string }
  /** A limit was met and an address not learned: the port's, or the bridge's when `port` is undefined. */
  | { type: 'learn-limit'; bridge: string; port: string | undefined; mac: string }
  /** An address turned up behind another port. */
  | { type: 'move'; bridge: string; mac: string; from: string; to: string }
  /** Events came faster than they were taken, and as many were lost here. */
  | { type: 'lost'; events: number }
  /** A worker ended by itself: its ports stand still, and the switch should be closed. */
  | { type: 'worker-failed'; worker: number; error: SwitchError };

const queueLimit = 1024;

export class EventHub {
  readonly #subscriptions = new Set<Subscription>();
  #ended = false;

  subscribe(): AsyncIterableIterator<SwitchEvent> {
    const subscription = new Subscription((gone) => this.#subscriptions.delete(gone));
    if (this.#ended) {
      subscription.end();
    } else {
      this.#subscriptions.add(subscription);
    }
    return subscription;
  }

  /** Returns whether anyone listens. */
  emit(event: SwitchEvent): boolean {
    for (const subscription of this.#subscriptions) {
      subscription.push(event);
    }
    return this.#subscriptions.size > 0;
  }

  end(): void {
    this.#ended = true;
    for (const subscription of this.#subscriptions) {
      subscription.end();
    }
  }
}

type Result = IteratorResult<SwitchEvent, undefined>;

class Subscription implements AsyncIterableIterator<SwitchEvent, undefined> {
  readonly #queue: SwitchEvent[] = [];
  readonly #waiting: ((result: Result) => void)[] = [];
  readonly #leave: (subscription: Subscription) => void;
  #lost = 0;
  #ended = false;

  constructor(leave: (subscription: Subscription) => void) {
    this.#leave = leave;
  }

  push(event: SwitchEvent): void {
    const waiter = this.#waiting.shift();
    if (waiter) {
      waiter({ value: event, done: false });
    } else if (this.#queue.length < queueLimit) {
      this.#queue.push(event);
    } else {
      this.#lost++;
    }
  }

  /** No more events come; those in the queue can still be taken. */
  end(): void {
    this.#ended = true;
    this.#leave(this);
    for (const waiter of this.#waiting.splice(0)) {
      waiter({ value: undefined, done: true });
    }
  }

  next(): Promise<Result> {
    const value = this.#take();
    if (value) {
      return Promise.resolve({ value, done: false });
    }
    if (this.#ended) {
      return Promise.resolve({ value: undefined, done: true });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<Result> {
    this.#queue.length = 0;
    this.#lost = 0;
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): SwitchEvent | undefined {
    const event = this.#queue.shift();
    if (!event && this.#lost > 0) {
      const events = this.#lost;
      this.#lost = 0;
      return { type: 'lost', events };
    }
    return event;
  }
}
