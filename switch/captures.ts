/** Captures: frames of ports as a pcapng stream, while they pass. */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { flag, integer, oneOf, text } from '../ports/checks.js';
import { parse } from './config/mistakes.js';
import { nativeCall, SwitchError } from './errors.js';
import { type NativeSwitch, native } from './native.js';
import type { Ports } from './ports.js';
import { version } from './status.js';

/** Which frames to capture; default: all that come in from the port or leave by it, whole. */
export interface CaptureOptions {
  /** In tcpdump's syntax (man 7 pcap-filter); compiled by libpcap. Default: all frames. */
  filter?: string | undefined;
  /** Most bytes of each frame, up to 262,144; 0 = all. Default 0. */
  snaplen?: number | undefined;
  /** Ends after so many frames. Default: does not. */
  count?: number | undefined;
  /** As seen from the switch: `rx` comes in from the port. Default `both`. */
  direction?: 'rx' | 'tx' | 'both' | undefined;
  /** Only frames that were dropped. Default false: those too, with the reason as their comment. */
  drops?: boolean | undefined;
  /** MiB for each worker, 1 to 256, in which frames wait for the reader. Default 4. */
  buffer?: number | undefined;
}

/** A capture under way. */
export interface CaptureStatus {
  id: number;
  ports: string[];
  filter: string;
  /** Bytes of each frame. */
  snaplen: number;
  direction: 'rx' | 'tx' | 'both';
  drops: boolean;
  /** In its stream so far. */
  frames: bigint;
  /** Came faster than they were read. */
  lost: bigint;
}

export const captureSchema = z.strictObject({
  filter: text(4096).default('').describe("In tcpdump's syntax; empty = all frames"),
  snaplen: integer(0, 262_144).default(0).describe('Most bytes of each frame; 0 = all'),
  count: integer(0, Number.MAX_SAFE_INTEGER / 2 ** 10)
    .default(0)
    .describe('Ends after so many frames; 0 = does not'),
  direction: oneOf(['rx', 'tx', 'both']).default('both').describe('rx comes in from the port'),
  drops: flag().default(false).describe('Only frames that were dropped'),
  buffer: integer(1, 256).default(4).describe('MiB for each worker in which frames wait'),
});

type Options = z.output<typeof captureSchema>;

const pollMs = 10;

export class Captures {
  readonly #native: NativeSwitch;
  readonly #ports: Ports;
  readonly #streams = new Map<
    number,
    { stream: CaptureStream; ports: string[]; options: Options }
  >();

  constructor(owner: NativeSwitch, ports: Ports) {
    this.#native = owner;
    this.#ports = ports;
  }

  async start(ports: string[], options: CaptureOptions): Promise<Readable> {
    const taken = parse(captureSchema, options, ['capture']);
    const interfaces = [...new Set(ports)].map((name) => this.#interface(name));
    const snaplen = Math.min(taken.snaplen || native.limits.maxFrame, native.limits.maxFrame);
    const filter = await compiled(taken.filter, snaplen);
    const id = nativeCall('capture', () =>
      this.#native.addCapture({
        ports: interfaces,
        application: `memswitch ${version}`,
        filter,
        filterText: taken.filter,
        snaplen,
        count: taken.count,
        ringBytes: taken.buffer * 2 ** 20,
        rx: taken.direction !== 'tx',
        tx: taken.direction !== 'rx',
        onlyDrops: taken.drops,
      }),
    );
    const stream = new CaptureStream(this.#native, id, () => this.#streams.delete(id));
    const names = interfaces.map(({ name }) => name);
    this.#streams.set(id, { stream, ports: names, options: { ...taken, snaplen } });
    return stream;
  }

  all(): CaptureStatus[] {
    return this.#native.captures().captures.flatMap(({ id, frames, lost }): CaptureStatus[] => {
      const known = this.#streams.get(id);
      if (!known) {
        return [];
      }
      const { filter, snaplen, direction, drops } = known.options;
      return [{ id, ports: known.ports, filter, snaplen, direction, drops, frames, lost }];
    });
  }

  /** Over all captures since the start. */
  total(): { frames: bigint; lost: bigint } {
    return this.#native.captures().total;
  }

  /** Their readers get what there is, and the end. */
  end(): void {
    for (const { stream } of [...this.#streams.values()]) {
      stream.finish();
    }
  }

  #interface(name: string) {
    const port = this.#ports.id(name);
    const { kind, bridge } = this.#ports.options(name);
    return { port, name, description: `port of kind ${kind}, bridge ${bridge}` };
  }
}

async function compiled(filter: string, snaplen: number): Promise<BigUint64Array> {
  if (filter === '') {
    return new BigUint64Array();
  }
  try {
    return await native.compileFilter(filter, snaplen);
  } catch (cause) {
    const { code, message } = cause as { code: 'INVALID' | 'SYSTEM'; message: string };
    throw new SwitchError(code, message, { path: 'filter', cause });
  }
}

/** Looks for frames only while somebody reads: who reads slowly loses frames, and nobody waits for him. */
class CaptureStream extends Readable {
  readonly #native: NativeSwitch;
  readonly #id: number;
  readonly #gone: () => void;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(owner: NativeSwitch, id: number, gone: () => void) {
    super({ highWaterMark: 2 ** 20 });
    this.#native = owner;
    this.#id = id;
    this.#gone = gone;
  }

  override _read(): void {
    this.#timer ??= setTimeout(this.#look, 0);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#remove();
    done(error);
  }

  finish(): void {
    for (let bytes = this.#next(); bytes && bytes.length > 0; bytes = this.#next()) {
      this.push(bytes);
    }
    this.#end();
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const bytes = this.#next();
    if (!bytes) {
      this.#end();
    } else if (bytes.length === 0) {
      this.#timer = setTimeout(this.#look, pollMs);
    } else {
      this.push(bytes);
    }
  };

  #next(): Buffer | undefined {
    return this.#ended ? undefined : this.#native.readCapture(this.#id);
  }

  #end(): void {
    if (!this.#ended) {
      clearTimeout(this.#timer);
      this.#remove();
      this.push(null);
    }
  }

  #remove(): void {
    if (!this.#ended) {
      this.#ended = true;
      this.#native.removeCapture(this.#id);
      this.#gone();
    }
  }
}
