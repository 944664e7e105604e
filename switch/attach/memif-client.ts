/**
 * The client side: a program in a container attaches to a memif socket and moves frames by itself. The native half is
 * native/control/endpoint.
 *
 * Frames received are views into the shared memory, not copies; they are whoever's turn it is: the caller's until release().
 */
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { memif } from '../../ports/memif.js';
import { parse } from '../config/mistakes.js';
import { SwitchError } from '../errors.js';
import { type NativeLink, native } from '../native.js';
import { type AttachFile, readAttachFile } from './attach-file.js';

/** Of {@link MemifClient.connect}; those of a memif port, seen from the other side. */
export interface MemifClientOptions {
  /** UNIX socket: an absolute path, or `@name` for an abstract one. Must be given here or by `file`. */
  socket?: string | undefined;
  /** A file that a container runtime's plugin wrote beside the socket (`*.env`): socket, id, secret. */
  file?: string | undefined;
  /** Interface id on that socket. Default 0. */
  id?: number | undefined;
  /** `client` attaches to a socket that a switch serves; `server` serves it. Default `client`. */
  role?: 'client' | 'server' | undefined;
  /** At most 23 bytes. Default '': none. */
  secret?: string | undefined;
  /** Queue pairs, 1 to 16. The peer may take fewer. Default 1. */
  queues?: number | undefined;
  /** Descriptors of each ring: a power of two, 2 to 16384. Default 1024. */
  ringSize?: number | undefined;
  /** Bytes of each buffer that a client makes, 64 to 65535. Default 2048. */
  bufferSize?: number | undefined;
  /** Network namespace of an abstract socket. Default: our own. */
  netns?: string | undefined;
  /** The name that the peer shows, at most 31 bytes. Default `node`. */
  name?: string | undefined;
  /** Ends the wait for the first link, for example `AbortSignal.timeout(5000)`. */
  signal?: AbortSignal | undefined;
}

export interface MemifClientStatistics {
  rx: { frames: number; bytes: number };
  tx: { frames: number; bytes: number };
  /** Frames that send() gave back because there was no room. */
  refused: number;
  /** Frames passed over because they are longer than all of the peer's buffers together. */
  tooLong: number;
}

interface Events {
  /** A link is up; with the peer's name. */
  up: [peer: string];
  /** It ended, or the peer refuses us; with the reason. The client goes on trying until close(). */
  down: [reason: string];
}

/** How long frames that keep coming may keep the event loop from its other work. */
const longestTurnMs = 1;
const { burst } = native.limits;
const inPieces = 0xffff_ffff;
const shortestFrame = 14;
const longestFrame = 65_535;

/**
 * One end of a memif connection. It connects by itself, again and again, until it is closed, and keeps the process alive
 * meanwhile (see {@link unref}).
 */
export class MemifClient extends EventEmitter<Events> implements AsyncDisposable {
  readonly #native;
  readonly #places = new Uint32Array(3 * burst);
  readonly #result = new Uint32Array(3);
  readonly #statistics = { rx: count(), tx: count(), refused: 0, tooLong: 0 };
  /** Whom to wake, by queue. */
  readonly #waiting = new Map<number, (() => void)[]>();
  #link: NativeLink | null = null;
  #lastError = '';
  #reserved = new Map<number, number>();
  #closed = false;

  /** Starts to connect; `link` says whether it is. Most programs want {@link connect}. */
  constructor(options: MemifClientOptions) {
    super();
    const { name = 'node', signal: _, file, ...given } = options;
    const told: AttachFile = file === undefined ? {} : readAttachFile(file);
    const { socket, id, secret } = told;
    const named = { ...(file !== undefined && { socket, id, secret }), ...defined(given) };
    const complete = parse(memif.schema, { role: 'client', ...named, ...fixed });
    this.#native = new native.Endpoint(
      { ...memif.toNative(complete, 1).memif, name },
      (type, what) => this.#told(type, what),
    );
    this.#native.open();
  }

  /** Resolves with the first link. When `signal` ends the wait, the error says why there was none. */
  static async connect(options: MemifClientOptions): Promise<MemifClient> {
    const client = new MemifClient(options);
    try {
      if (client.link === 'down') {
        await once(client, 'up', { signal: options.signal });
      }
      return client;
    } catch (cause) {
      const why = client.lastError || 'nobody serves it';
      const { socket = options.file } = options;
      client.close();
      throw new SwitchError('UNREACHABLE', `no link over ${socket}: ${why}`, { cause });
    }
  }

  get link(): 'up' | 'down' {
    return this.#link ? 'up' : 'down';
  }

  /** Name of the peer, '' while the link is down. */
  get peer(): string {
    return this.#link?.peer ?? '';
  }

  /** Queue pairs in use, 0 while the link is down. */
  get queues(): number {
    return this.#link?.queues ?? 0;
  }

  /** Why the last link ended or was refused. */
  get lastError(): string {
    return this.#lastError;
  }

  statistics(): MemifClientStatistics {
    return structuredClone(this.#statistics);
  }

  /**
   * What waits now, at most 64 frames; none while the link is down. They are views into shared memory, valid until
   * {@link release} or the next receive() of the queue, and may be written to. A frame that lies in several pieces comes as
   * a copy.
   */
  receive(queue = 0): Buffer[] {
    const link = this.#open();
    if (!link) {
      return [];
    }
    this.#native.release(queue);
    const frames = this.#views(link, this.#native.receive(queue, this.#places), queue);
    this.#statistics.rx.frames += frames.length;
    for (const { length } of frames) {
      this.#statistics.rx.bytes += length;
    }
    return frames;
  }

  /** Gives the peer its room back: what the last receive() returned must not be looked at any more. */
  release(queue = 0): void {
    if (this.#link) {
      this.#native.release(queue);
    }
  }

  /**
   * Bursts as they come, until the client is closed. Each is released when the next is asked for. The event loop gets its
   * turn once a millisecond at least, also under load.
   */
  async *bursts(queue = 0): AsyncGenerator<Buffer[], void, void> {
    let since = performance.now();
    try {
      while (!this.#closed) {
        const frames = this.receive(queue);
        if (frames.length === 0) {
          await this.#frames(queue);
          since = performance.now();
          continue;
        }
        yield frames;
        if (performance.now() - since > longestTurnMs) {
          this.release(queue);
          await turn();
          since = performance.now();
        }
      }
    } finally {
      this.release(queue);
    }
  }

  /**
   * Copies frames into the shared memory; returns how many were taken, in order. Fewer than given: there is no room for
   * more now (see {@link drain}), or no link.
   */
  send(frames: readonly Uint8Array[], queue = 0): number {
    const link = this.#open();
    checkFrames(frames);
    if (this.#reserved.has(queue)) {
      throw new SwitchError('IN_USE', `queue ${queue}: commit what is reserved before sending`);
    }
    let done = 0;
    for (let full = link === null; !full && done < frames.length; ) {
      const wanted = Math.min(burst, frames.length - done);
      const taken = this.#native.send(queue, frames, done, this.#result);
      const [sent = 0, bytes = 0, tooLong = 0] = this.#result;
      this.#statistics.tx.frames += sent;
      this.#statistics.tx.bytes += bytes;
      this.#statistics.tooLong += tooLong;
      done += taken;
      full = taken < wanted;
    }
    this.#statistics.refused += frames.length - done;
    return done;
  }

  /** Like send(), but waits for room until all frames are taken; also for a link. */
  async sendAll(frames: readonly Uint8Array[], queue = 0): Promise<void> {
    let done = this.send(frames, queue);
    while (done < frames.length) {
      await this.drain(queue);
      done += this.send(frames.slice(done), queue);
    }
  }

  /**
   * Resolves when there is room for a frame. A memif peer tells nobody that it has taken some: it is looked for once a
   * millisecond.
   */
  async drain(queue = 0): Promise<void> {
    for (let link = this.#open(); ; link = this.#open()) {
      if (link === null) {
        await this.#frames(queue);
      } else if (this.#native.reserve(queue, this.#places.subarray(0, 3)) > 0) {
        this.#native.commit(queue, this.#places.subarray(0, 0));
        return;
      } else {
        await delay(1);
      }
    }
  }

  /**
   * Room for up to so many frames (at most 64), to be written in place: sending without a copy. Each view is as long as
   * its buffer. Follow with {@link commit}.
   */
  reserve(most: number, queue = 0): Buffer[] {
    const link = this.#open();
    if (!link) {
      return [];
    }
    const places = this.#places.subarray(0, 3 * Math.min(most, burst));
    const room = this.#views(link, this.#native.reserve(queue, places), queue);
    this.#reserved.set(queue, room.length);
    return room;
  }

  /** Sends the first of what was reserved, with these lengths in bytes, and gives up the rest. Returns how many. */
  commit(lengths: readonly number[], queue = 0): number {
    const link = this.#open();
    const reserved = this.#reserved.get(queue) ?? 0;
    this.#reserved.delete(queue);
    if (!link) {
      return 0;
    }
    if (lengths.length > reserved) {
      this.#native.commit(queue, new Uint32Array(0));
      throw new SwitchError('INVALID', `${lengths.length} lengths for ${reserved} reserved frames`);
    }
    this.#native.commit(queue, Uint32Array.from(lengths));
    this.#statistics.tx.frames += lengths.length;
    this.#statistics.tx.bytes += lengths.reduce((sum, length) => sum + length, 0);
    return lengths.length;
  }

  /** Lets the process end although the client is open. */
  unref(): this {
    this.#native.setReferenced(false);
    return this;
  }

  ref(): this {
    this.#native.setReferenced(true);
    return this;
  }

  /** Ends the link and all loops over bursts. Views that are still held stay readable. Idempotent. */
  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#link = null;
      this.#native.close();
      this.#wakeAll();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #told(type: 'up' | 'down' | 'frames', what: unknown): void {
    if (this.#closed) {
      return;
    }
    if (type === 'frames') {
      this.#wake(what as number);
      return;
    }
    this.#reserved.clear();
    this.#link = this.#native.adopt(type === 'up' ? what : null);
    this.#wakeAll();
    if (type === 'up') {
      this.emit('up', this.peer);
    } else {
      this.#lastError = what as string;
      this.emit('down', this.#lastError);
    }
  }

  /** Until frames come, or the link comes or goes. */
  #frames(queue: number): Promise<void> {
    if (this.#link && this.#native.arm(queue)) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#waiting.set(queue, [...(this.#waiting.get(queue) ?? []), resolve]);
    });
  }

  #wake(queue: number): void {
    const waiting = this.#waiting.get(queue) ?? [];
    this.#waiting.delete(queue);
    for (const resolve of waiting) {
      resolve();
    }
  }

  #wakeAll(): void {
    for (const queue of [...this.#waiting.keys()]) {
      this.#wake(queue);
    }
  }

  #views({ regions }: NativeLink, frames: number, queue: number): Buffer[] {
    const views = new Array<Buffer>(frames);
    for (let i = 0; i < frames; ++i) {
      const [region = 0, offset = 0, length = 0] = this.#places.subarray(3 * i, 3 * i + 3);
      views[i] =
        region === inPieces
          ? this.#native.joined(queue, i)
          : Buffer.from(regions[region] as ArrayBuffer, offset, length);
    }
    return views;
  }

  #open(): NativeLink | null {
    if (this.#closed) {
      throw new SwitchError('CLOSED', 'the memif client is closed');
    }
    return this.#link;
  }
}

/** Of a port's options, those that a program has no use for. */
const fixed = { kind: 'memif', bridge: 'none' } as const;

function count() {
  return { frames: 0, bytes: 0 };
}

function defined<T extends object>(options: T): Partial<T> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Partial<T>;
}

function checkFrames(frames: readonly Uint8Array[]): void {
  for (const [i, { byteLength }] of frames.entries()) {
    if (!(byteLength >= shortestFrame && byteLength <= longestFrame)) {
      const message = `must have ${shortestFrame} to ${longestFrame} bytes, has ${byteLength}`;
      throw new SwitchError('INVALID', `frames[${i}]: ${message}`);
    }
  }
}
