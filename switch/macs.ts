/** The address tables of all bridges, by names. */
import { z } from 'zod';
import { integer, name, oneOf } from '../ports/checks.js';
import { untaggedOf } from '../ports/policy.js';
import { vtepSchema } from '../ports/vxlan.js';
import type { Bridges } from './bridges.js';
import type { StaticAddress } from './config/difference.js';
import { parse } from './config/mistakes.js';
import { nativeCall, notFound, SwitchError } from './errors.js';
import { formatMac, macSchema, parseMac, parseVlan, stationSchema } from './mac.js';
import { type NativeMacTable, type NativeSwitch, native } from './native.js';
import type { Ports } from './ports.js';

/** Which addresses to list; default: all. */
export interface MacFilter {
  bridge?: string | undefined;
  port?: string | undefined;
  kind?: 'all' | 'learned' | 'static' | undefined;
  /** One address only. */
  mac?: string | undefined;
  /** Most entries returned, 1 to 4,000,000. Default 10,000. */
  limit?: number | undefined;
}

export interface MacEntry {
  bridge: string;
  /** For example `02:00:00:00:00:01`. */
  mac: string;
  /** Of a bridge with VLANs; null: it has none. */
  vlan: number | null;
  port: string;
  kind: 'learned' | 'static';
  /** Seconds since a frame came from the address; null for a static one. */
  age: number | null;
  /** The remote that it is behind, of a port that is a tunnel; null: none, or not known. */
  remote: string | null;
}

export interface MacList {
  /** All that the filter matched, also beyond the limit. */
  total: number;
  macs: MacEntry[];
}

export const macFilterSchema = z.strictObject({
  bridge: name.optional(),
  port: name.optional(),
  kind: oneOf(['all', 'learned', 'static']).default('all'),
  mac: macSchema.optional(),
  limit: integer(1, native.limits.macs).default(10_000).describe('Most entries returned'),
});

type Filter = z.output<typeof macFilterSchema>;

export class Macs {
  readonly #native: NativeSwitch;
  readonly #bridges: Bridges;
  readonly #ports: Ports;

  constructor(owner: NativeSwitch, bridges: Bridges, ports: Ports) {
    this.#native = owner;
    this.#bridges = bridges;
    this.#ports = ports;
  }

  list(options: MacFilter): MacList {
    const filter = parse(macFilterSchema, options, ['macs']);
    const bridges = this.#bridgesOf(filter);
    if (filter.mac !== undefined) {
      return this.#find(bridges, filter.mac, filter);
    }
    const port = filter.port === undefined ? -1 : this.#ports.id(filter.port);
    let macs: MacEntry[] = [];
    let total = 0;
    for (const bridge of bridges) {
      const limit = filter.limit - macs.length;
      const table = this.#native.macs(this.#bridges.id(bridge), { port, kind: filter.kind, limit });
      macs = macs.concat(this.#entries(bridge, table));
      total += table.total;
    }
    return { total, macs };
  }

  /** As they were given: a remote that a tunnel has learned for one is not part of it. */
  statics(): StaticAddress[] {
    const filter = { port: -1, kind: 'static' as const, limit: native.limits.macs };
    const macs = this.#bridges.names().flatMap((bridge) => {
      const table = this.#native.macs(this.#bridges.id(bridge), filter);
      return this.#entries(bridge, table, true);
    });
    return macs.map(({ bridge, mac, vlan, port, remote }) => {
      const usual = vlan === null || vlan === untaggedOf(this.#ports.options(port));
      return { bridge, mac: usual ? mac : `${mac}/${vlan}`, port, remote: remote ?? undefined };
    });
  }

  addStatic(bridge: string, mac: string, port: string, remote?: string): void {
    if (remote !== undefined) {
      parse(vtepSchema, remote, ['remote']);
    }
    const address = parseMac(parse(stationSchema, mac, ['mac']));
    const [bridgeId, portId] = [this.#bridges.id(bridge), this.#ports.id(port)];
    if (this.#ports.bridgeOf(port) !== bridge) {
      const what = `port "${port}" is not in bridge "${bridge}" but in "${this.#ports.bridgeOf(port)}"`;
      throw new SwitchError('INVALID', what, { port, hint: 'name that bridge, or another port' });
    }
    const where = `address ${mac} in bridge "${bridge}"`;
    nativeCall(
      where,
      () => this.#native.addStaticMac(bridgeId, address, portId, remote ?? '', parseVlan(mac)),
      {
        port,
      },
    );
  }

  remove(bridge: string, mac: string): void {
    const address = parseMac(parse(macSchema, mac, ['mac']));
    if (!this.#native.removeMac(this.#bridges.id(bridge), address, parseVlan(mac))) {
      throw notFound('address', mac, []);
    }
  }

  flush({ bridge, port }: Pick<MacFilter, 'bridge' | 'port'>): number {
    const portId = port === undefined ? -1 : this.#ports.id(port);
    const flushed = this.#bridgesOf({ bridge, port }).map((name) =>
      this.#native.flushMacs(this.#bridges.id(name), portId),
    );
    return flushed.reduce((sum, count) => sum + count, 0);
  }

  #bridgesOf({ bridge, port }: Pick<MacFilter, 'bridge' | 'port'>): string[] {
    if (bridge !== undefined) {
      this.#bridges.id(bridge);
      return [bridge];
    }
    return port === undefined ? this.#bridges.names() : [this.#ports.bridgeOf(port)];
  }

  #find(bridges: string[], mac: string, { kind, port, limit }: Filter): MacList {
    const address = parseMac(mac);
    const found = bridges.flatMap((bridge): MacEntry[] => {
      const entries = this.#native.findMac(this.#bridges.id(bridge), address);
      return this.#entries(bridge, {
        entries: BigUint64Array.from(entries, ({ port }) => (address << 16n) | BigInt(port)),
        ages: Uint16Array.from(entries, ({ age }) => age),
        vlans: Uint16Array.from(entries, ({ vlan }) => vlan),
        total: entries.length,
      });
    });
    const wanted = parseVlan(mac);
    const macs = found.filter(
      (entry) =>
        (kind === 'all' || entry.kind === kind) &&
        (port === undefined || entry.port === port) &&
        (wanted === 0 || entry.vlan === wanted),
    );
    return { total: macs.length, macs: macs.slice(0, limit) };
  }

  #entries(
    bridge: string,
    { entries, ages, vlans }: NativeMacTable,
    onlyStatic = false,
  ): MacEntry[] {
    const remotes = this.#native.remotesOf(entries, onlyStatic);
    return Array.from(entries).flatMap((entry, index) =>
      this.#entry(bridge, entry, vlans[index] || null, ages[index] ?? 0, remotes[index]),
    );
  }

  /** None when the port was removed between two looks. */
  #entry(
    bridge: string,
    entry: bigint,
    vlan: number | null,
    age: number,
    behind: string | undefined,
  ): MacEntry[] {
    const port = this.#ports.nameOf(Number(entry & 0xffffn));
    const mac = formatMac(entry >> 16n);
    const isStatic = age === native.limits.staticAge;
    const kind = isStatic ? 'static' : 'learned';
    return port === undefined
      ? []
      : [{ bridge, mac, vlan, port, kind, age: isStatic ? null : age, remote: behind || null }];
  }
}
