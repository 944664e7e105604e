/** The bridges of a switch by name. */
import { name as nameSchema } from '../ports/checks.js';
import { parse } from './config/mistakes.js';
import type { BridgeOptions } from './config/options.js';
import { type Bridge, bridgeChangesSchema, bridgeSchema } from './config/schema.js';
import { nativeCall, notFound, SwitchError } from './errors.js';
import type { NativeSwitch } from './native.js';

/** A bridge as it is now. */
export interface BridgeStatus {
  name: string;
  /** Seconds; 0 = addresses live for ever. */
  ageing: number;
  macLimit: number;
  learn: boolean;
  flood: boolean;
  vlans: boolean;
  /** Addresses held now, learned and static. */
  macs: number;
  /** Names of its ports. */
  ports: string[];
}

interface Entry {
  id: number;
  options: Bridge;
}

export class Bridges {
  readonly #native: NativeSwitch;
  readonly #entries = new Map<string, Entry>();
  readonly #names = new Map<number, string>();

  constructor(owner: NativeSwitch) {
    this.#native = owner;
  }

  get size(): number {
    return this.#entries.size;
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  nameOf(id: number): string | undefined {
    return this.#names.get(id);
  }

  /** False also for one that does not exist yet. */
  hasVlans(name: string): boolean {
    return this.#entries.get(name)?.options.vlans ?? false;
  }

  id(name: string): number {
    return this.#get(name).id;
  }

  /** Addresses held now, learned and static. */
  macs(name: string): number {
    return this.#native.bridgeMacs(this.#get(name).id);
  }

  /** Gives a port the bridge it names. One that does not exist yet is made with defaults, unless the port is refused. */
  join<T>(name: string, use: (id: number) => T): T {
    const isNew = !this.#entries.has(name);
    if (isNew) {
      this.add(name, {});
    }
    try {
      return use(this.id(name));
    } catch (error) {
      if (isNew) {
        this.remove(name, []);
      }
      throw error;
    }
  }

  add(name: string, options: BridgeOptions): void {
    parse(nameSchema, name, ['bridges', name]);
    if (this.#entries.has(name)) {
      throw new SwitchError('EXISTS', `bridge "${name}" exists already`, {
        hint: 'change it, or choose another name',
      });
    }
    const complete = parse(bridgeSchema, options, ['bridges', name]);
    const id = nativeCall(`bridge "${name}"`, () => this.#native.addBridge(complete));
    this.#entries.set(name, { id, options: complete });
    this.#names.set(id, name);
  }

  set(name: string, changes: BridgeOptions): void {
    const entry = this.#get(name);
    const { macLimit, vlans, ...rest } = changes;
    for (const [key, value] of Object.entries({ macLimit, vlans })) {
      if (value !== undefined && value !== entry.options[key as 'macLimit' | 'vlans']) {
        throw new SwitchError(
          'INVALID',
          `bridge "${name}": ${key} is fixed while the bridge exists`,
          {
            path: `bridges.${name}.${key}`,
            hint: 'remove the bridge and add it again',
          },
        );
      }
    }
    const checked = parse(bridgeChangesSchema, rest, ['bridges', name]);
    const given = Object.entries(checked).filter(([, value]) => value !== undefined);
    const options = { ...entry.options, ...Object.fromEntries(given) };
    nativeCall(`bridge "${name}"`, () => this.#native.setBridge(entry.id, options));
    entry.options = options;
  }

  /** Makes a bridge anew under the ports that `enter` moves into it; what it learned is forgotten. */
  replace(name: string, options: Bridge, enter: () => void): void {
    const before = this.#get(name);
    const id = nativeCall(`bridge "${name}"`, () => this.#native.addBridge(options));
    this.#entries.set(name, { id, options });
    try {
      enter();
    } catch (error) {
      this.#entries.set(name, before);
      enter();
      this.#native.removeBridge(id);
      throw error;
    }
    this.#names.set(id, name);
    this.#native.removeBridge(before.id);
    this.#names.delete(before.id);
  }

  all(): Record<string, Bridge> {
    return Object.fromEntries([...this.#entries].map(([name, { options }]) => [name, options]));
  }

  remove(name: string, ports: string[]): void {
    const { id } = this.#get(name);
    if (ports.length > 0) {
      throw new SwitchError('IN_USE', `bridge "${name}" still has ports: ${ports.join(', ')}`, {
        hint: 'remove them or move them to another bridge first',
      });
    }
    nativeCall(`bridge "${name}"`, () => this.#native.removeBridge(id));
    this.#entries.delete(name);
    this.#names.delete(id);
  }

  status(name: string, ports: string[]): BridgeStatus {
    const { options } = this.#get(name);
    return { name, ...options, macs: this.macs(name), ports };
  }

  #get(name: string): Entry {
    const entry = this.#entries.get(name);
    if (!entry) {
      throw notFound('bridge', name, this.#entries.keys());
    }
    return entry;
  }
}
