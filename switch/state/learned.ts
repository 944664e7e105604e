/**
 * Learned addresses as bytes, to outlive a restart: a line of JSON that names bridges and ports, and behind it for each bridge its
 * entries, ages and VLANs as native code lists them, in the host's byte order. A million addresses are 12 MB, and hold the event
 * loop for as long as copying them takes.
 */
import { z } from 'zod';
import type { Bridges } from '../bridges.js';
import { type NativeMacTable, type NativeSwitch, native } from '../native.js';
import type { Ports } from '../ports.js';

/** Bytes of an address: entry, age, VLAN. */
const addressBytes = 8 + 2 + 2;

const shape = z.strictObject({
  version: z.literal(1),
  /** Milliseconds since 1970. */
  time: z.number(),
  /** Names by number. */
  ports: z.record(z.string(), z.string()),
  bridges: z.array(z.strictObject({ name: z.string(), macs: z.int().min(0) })),
});

/** The learned addresses of a switch, for one who keeps them. */
export class LearnedAddresses {
  readonly #native: NativeSwitch;
  readonly #bridges: Bridges;
  readonly #ports: Ports;

  constructor(owner: NativeSwitch, bridges: Bridges, ports: Ports) {
    this.#native = owner;
    this.#bridges = bridges;
    this.#ports = ports;
  }

  pack(): Buffer {
    const ports: Record<string, string> = {};
    for (const name of Object.keys(this.#ports.allOptions())) {
      ports[this.#ports.id(name)] = name;
    }
    const filter = { port: -1, kind: 'learned', limit: native.limits.macs } as const;
    const tables = this.#bridges.names().map((name) => {
      return { name, table: this.#native.macs(this.#bridges.id(name), filter) };
    });
    const bridges = tables.map(({ name, table }) => ({ name, macs: table.entries.length }));
    const header = JSON.stringify({ version: 1, time: Date.now(), ports, bridges });
    const parts = tables.flatMap(({ table }) => [table.entries, table.ages, table.vlans]);
    const bytes = parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength));
    return Buffer.concat([Buffer.from(`${header}\n`), ...bytes]);
  }

  /**
   * Learns what was packed, as far as bridges and ports of those names are there and it is not too old by now.
   * @returns how many.
   * @throws when it is damaged; then nothing was learned.
   */
  unpack(packed: Buffer): number {
    const end = packed.indexOf('\n');
    const { time, ports, bridges } = shape.parse(JSON.parse(packed.toString('utf8', 0, end)));
    const whole = bridges.reduce((sum, { macs }) => sum + macs * addressBytes, end + 1);
    if (whole !== packed.length) {
      throw new Error(`${packed.length} bytes instead of ${whole}`);
    }
    const here = this.#numbers(ports);
    const passed = Math.max(0, Math.round((Date.now() - time) / 1000));
    const known = new Set(this.#bridges.names());
    let at = end + 1;
    return bridges.reduce((count, { name, macs }) => {
      const table = read(packed, at, macs);
      at += macs * addressBytes;
      if (!known.has(name)) {
        return count;
      }
      const entries = table.entries.map((it) => (it & ~0xffffn) | (here.get(it & 0xffffn) ?? 0n));
      const ages = table.ages.map((age) => Math.min(age + passed, native.limits.staticAge - 1));
      return count + this.#native.relearn(this.#bridges.id(name), entries, ages, table.vlans);
    }, 0);
  }

  /** From the numbers that ports had to those that they have. */
  #numbers(ports: Record<string, string>): Map<bigint, bigint> {
    const here = new Set(Object.keys(this.#ports.allOptions()));
    return new Map(
      Object.entries(ports)
        .filter(([, name]) => here.has(name))
        .map(([number, name]) => [BigInt(number), BigInt(this.#ports.id(name))]),
    );
  }
}

function read(packed: Buffer, at: number, macs: number): Omit<NativeMacTable, 'total'> {
  // Copied, for typed arrays must lie on multiples of their elements.
  const bytes = new Uint8Array(packed.subarray(at, at + macs * addressBytes)).buffer;
  return {
    entries: new BigUint64Array(bytes, 0, macs),
    ages: new Uint16Array(bytes, macs * 8, macs),
    vlans: new Uint16Array(bytes, macs * 10, macs),
  };
}
