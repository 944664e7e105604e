/** Mirrors: copies of what comes in from ports, or leaves by them, to another port. */
import { z } from 'zod';
import { name as nameSchema, oneOf } from '../ports/checks.js';
import { parse } from './config/mistakes.js';
import { nativeCall, notFound, SwitchError } from './errors.js';
import type { NativeSwitch } from './native.js';
import type { Ports } from './ports.js';

export interface MirrorOptions {
  /** Names of the ports whose frames are copied. */
  from: string[];
  /** As seen from the switch: `rx` comes in from the ports, also what is dropped then; `tx` has left by them. Default `both`. */
  direction?: 'rx' | 'tx' | 'both' | undefined;
  /** Name of the port that gets the copies. Meanwhile it takes no part in its bridge. */
  to: string;
}

export interface MirrorStatus {
  name: string;
  from: string[];
  direction: 'rx' | 'tx' | 'both';
  to: string;
  /** Copies sent. */
  copies: { frames: bigint; bytes: bigint };
  /** Copies that the port did not take: it was down, full, or takes no such frame. */
  lost: bigint;
}

export const mirrorSchema = z.strictObject(
  {
    from: z
      .array(nameSchema, { error: 'must be a list of names of ports' })
      .min(1, { error: 'must name at least one port' })
      .describe('Ports whose frames are copied'),
    direction: oneOf(['rx', 'tx', 'both'])
      .default('both')
      .describe('rx comes in from the ports, tx leaves by them'),
    to: nameSchema.describe('Port that gets the copies'),
  },
  { error: 'must be a mapping' },
) satisfies z.ZodType<unknown, MirrorOptions>;

export type CompleteMirror = z.output<typeof mirrorSchema>;

export class Mirrors {
  readonly #native: NativeSwitch;
  readonly #ports: Ports;
  readonly #entries = new Map<string, { id: number; options: CompleteMirror }>();

  constructor(owner: NativeSwitch, ports: Ports) {
    this.#native = owner;
    this.#ports = ports;
    ports.made = (name) => this.#join(name);
  }

  add(name: string, options: MirrorOptions): void {
    parse(nameSchema, name, ['mirrors', name]);
    if (this.#entries.has(name)) {
      const hint = 'remove it first, or choose another name';
      throw new SwitchError('EXISTS', `mirror "${name}" exists already`, { hint });
    }
    const complete = parse(mirrorSchema, options, ['mirrors', name]);
    const id = this.#call(name, () =>
      this.#native.addMirror({
        from: complete.from.map((port) => this.#ports.id(port)),
        to: this.#ports.id(complete.to),
        rx: complete.direction !== 'tx',
        tx: complete.direction !== 'rx',
      }),
    );
    this.#entries.set(name, { id, options: complete });
  }

  remove(name: string): void {
    const { id } = this.#get(name);
    this.#call(name, () => this.#native.removeMirror(id));
    this.#entries.delete(name);
  }

  allOptions(): Record<string, CompleteMirror> {
    return Object.fromEntries([...this.#entries].map(([name, { options }]) => [name, options]));
  }

  all(): MirrorStatus[] {
    const counters = new Map(this.#native.mirrors().map((mirror) => [mirror.id, mirror]));
    return [...this.#entries].map(([name, { id, options }]) => {
      const { frames = 0n, bytes = 0n, lost = 0n } = counters.get(id) ?? {};
      return { name, ...options, copies: { frames, bytes }, lost };
    });
  }

  one(name: string): MirrorStatus {
    this.#get(name);
    return this.all().find((mirror) => mirror.name === name) as MirrorStatus;
  }

  /** Those that name the port copy its frames as well, as before it went. */
  #join(port: string): void {
    for (const [name, { id, options }] of this.#entries) {
      if (options.from.includes(port)) {
        this.#call(name, () => this.#native.joinMirror(id, this.#ports.id(port)));
      }
    }
  }

  #get(name: string) {
    const entry = this.#entries.get(name);
    if (!entry) {
      throw notFound('mirror', name, this.#entries.keys());
    }
    return entry;
  }

  #call<T>(name: string, call: () => T): T {
    return nativeCall(`mirror "${name}"`, call, { path: `mirrors.${name}` });
  }
}
