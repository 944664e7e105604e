/** The ports of a switch by name. */
import { name as nameSchema } from '../ports/checks.js';
import { kindOf, type Port, type PortOptions, portSchema } from '../ports/index.js';
import { type Prepared, portChangesSchema } from '../ports/kind.js';
import {
  type Policy,
  type PolicyOptions,
  policyChanges,
  policyOf,
  policyToNative,
  vlanMistake,
  withVlans,
} from '../ports/policy.js';
import type { Bridges } from './bridges.js';
import { parse } from './config/mistakes.js';
import type { CounterReader, PortCounters } from './counters.js';
import { invalid, nativeCall, notFound, SwitchError } from './errors.js';
import { formatMac } from './mac.js';
import {
  type NativePortOptions,
  type NativePortState,
  type NativeSwitch,
  native,
  type Polling,
} from './native.js';
import type { PortLabels } from './readings.js';

/** What may change on a live port; its link stays up. Policies take the place of those before: `null` ends one. */
export interface PortChanges extends PolicyOptions {
  /** Another bridge; what was learned behind the port is forgotten. */
  bridge?: string | undefined;
  /** Most addresses learned behind the port, 0 to 4,000,000; 0 = as many as the bridge takes. */
  macLimit?: number | undefined;
  /** Bytes behind the Ethernet header of a frame, 68 to 65517. */
  mtu?: number | undefined;
  /** Workers that poll its queues, in turn; none: by the switch's placement, and the queues stay where they are. */
  workers?: number[] | undefined;
  /** How workers wait for its frames; undefined, where it is given: as the worker does. */
  polling?: Polling | undefined;
}

/** The process at the other side of a port. */
export interface Peer {
  /** Name that the peer gave itself. */
  name: string;
  /** Process and user as the kernel tells them. */
  pid: number;
  uid: number;
  /** Queue pairs in use. */
  queues: number;
  /** Descriptors in each ring. */
  ringSize: number;
}

/** The device under a port. */
export interface Device {
  /** A PCI address, or the name of a virtual device. */
  name: string;
  /** DPDK's driver of it. */
  driver: string;
  mac: string;
  mtu: number;
  /** Mbit/s; 0 = unknown. */
  speed: number;
  /** NUMA node, or -1. */
  numa: number;
  /** Receive queues in use. */
  queues: number;
  /** Descriptors in each. */
  ringSize: number;
  /** Whether frames to any address come in: wanted, and granted. */
  promiscuous: boolean;
  /** How it wakes a worker that sleeps; `never`: the worker goes on polling. */
  wake: 'never' | 'interrupt' | 'descriptor' | 'timer';
  /** Times it has told by itself that its link has changed; other changes are found by looking once a second. */
  linkInterrupts: number;
  /** Whether it checks UDP checksums of frames that come in; and fills them in of tunnels over it. */
  checksRx: boolean;
  checksTx: boolean;
  /** Whether it lets in only frames of the VLANs that its port carries, beside those without a tag. */
  filtersVlans: boolean;
  /** VLANs that its port carries and it has no place for: their frames do not come in. */
  refusedVlans: number;
  /** The device's own counters since it was opened, by its driver's names. */
  statistics: Record<string, bigint>;
}

/** A port as it is now, with its counters. */
export interface PortStatus extends PortCounters, Policy {
  name: string;
  kind: Port['kind'];
  bridge: string;
  macLimit: number;
  mtu: number;
  link: 'up' | 'down';
  /** Null while the link is down, and where there is no such process: a tunnel. */
  peer: Peer | null;
  /** Null for a port without one. */
  device: Device | null;
  /** Addresses behind the port now. */
  macs: number;
  /** Times a peer attached, or a device's link came up, since the port was added. */
  attaches: number;
  /** Violations of the protocol by peers since the port was added, by kind; those that happened. */
  protocolErrors: Record<string, number>;
  /** Why the last link ended; empty if none ended yet. */
  lastError: string;
  /** The kind's own options, without secrets. */
  options: Record<string, string | number | boolean>;
}

interface Entry {
  id: number;
  options: Port;
  prepared: Prepared;
}

const unprepared: Prepared = { device: '', restore: () => undefined };

export class Ports {
  readonly #native: NativeSwitch;
  readonly #bridges: Bridges;
  readonly #counters: CounterReader;
  readonly #entries = new Map<string, Entry>();
  readonly #names = new Map<number, string>();
  /** Drops of ports that were removed, by reason; what they drop in the moment of their removal is not in it. */
  readonly gone: number[] = native.layout.dropReasons.map(() => 0);
  /** Called with the name of each port that was made. */
  made: (name: string) => void = () => undefined;
  /** Another number after each change of which ports there are and how they are labelled. */
  generation = 0;

  constructor(owner: NativeSwitch, bridges: Bridges, counters: CounterReader) {
    this.#native = owner;
    this.#bridges = bridges;
    this.#counters = counters;
  }

  get size(): number {
    return this.#entries.size;
  }

  nameOf(id: number): string | undefined {
    return this.#names.get(id);
  }

  id(name: string): number {
    return this.#get(name).id;
  }

  bridgeOf(name: string): string {
    return this.#get(name).options.bridge;
  }

  options(name: string): Port {
    return this.#get(name).options;
  }

  /** What native code has changed already. */
  change(name: string, options: Port): void {
    this.#get(name).options = options;
    this.generation++;
  }

  /** By id. */
  labels(): Map<number, PortLabels> {
    const labelled = [...this.#entries].map(([name, { id, options }]): [number, PortLabels] => {
      const { kind, bridge } = options;
      return [id, { name, kind, bridge }];
    });
    return new Map(labelled);
  }

  inBridge(bridge: string): string[] {
    const inside = [...this.#entries].filter(([, { options }]) => options.bridge === bridge);
    return inside.map(([name]) => name);
  }

  allOptions(): Record<string, Port> {
    return Object.fromEntries([...this.#entries].map(([name, { options }]) => [name, options]));
  }

  /** Moves the ports of a bridge into it, when it was made anew. */
  enter(bridge: string): void {
    for (const [name, { id, options }] of this.#entries) {
      if (options.bridge === bridge) {
        const { macLimit, mtu } = options;
        const number = this.#bridges.id(bridge);
        this.#call(name, () => this.#native.setPort(id, number, macLimit, mtu));
      }
    }
  }

  add(name: string, options: PortOptions): void {
    parse(nameSchema, name, ['ports', name]);
    this.make(name, parse(portSchema, options, ['ports', name]));
  }

  /** Adds a port whose options were checked and completed. */
  make(name: string, complete: Port): void {
    if (this.#entries.has(name)) {
      throw new SwitchError('EXISTS', `port "${name}" exists already`, {
        port: name,
        hint: 'remove it first, or choose another name',
      });
    }
    const kind = kindOf(complete);
    this.#refuseVlans(name, complete);
    this.#refuseTwin(name, kind.identity(complete));
    const portId = (other: string) => this.id(other);
    const prepared = this.#call(name, () => kind.prepare?.(complete)) ?? unprepared;
    const { device } = prepared;
    try {
      const id = this.#bridges.join(complete.bridge, (bridge) =>
        this.#call(name, () =>
          this.#addNative(
            {
              ...kind.toNative(complete, bridge, { device, portId }),
              policy: policyToNative(complete),
            },
            complete.workers,
          ),
        ),
      );
      this.#entries.set(name, { id, options: complete, prepared });
      this.#names.set(id, name);
      native.namePort(id, name);
      this.generation++;
      this.made(name);
    } catch (error) {
      prepared.restore();
      throw error;
    }
  }

  set(name: string, changes: PortChanges): void {
    const entry = this.#get(name);
    refuseFixed(name, entry.options, changes);
    const given = withVlans(parse(portChangesSchema, changes, ['ports', name]));
    const options = { ...entry.options, ...withoutUndefined(given) };
    this.#refuseVlans(name, options);
    const { bridge, macLimit, mtu } = options;
    this.#bridges.join(bridge, (bridgeId) =>
      this.#call(name, () => this.#native.setPort(entry.id, bridgeId, macLimit, mtu)),
    );
    // A policy begins with full buckets: one that did not change stays.
    if (Object.keys(policyChanges).some((key) => key in given)) {
      this.#call(name, () => this.#native.setPolicy(entry.id, policyToNative(options)));
    }
    if (given.workers) {
      this.#call(name, () => this.#native.placePort(entry.id, given.workers ?? []));
    }
    const { polling } = 'polling' in changes ? changes : entry.options;
    if (polling !== entry.options.polling) {
      this.#call(name, () => this.#native.setPolling(entry.id, polling ?? ''));
    }
    this.change(name, { ...options, polling });
  }

  /** Moves a receive queue to another worker, by hand. */
  setQueue(name: string, queue: number, worker: number): void {
    const { id } = this.#get(name);
    this.#call(name, () => this.#native.moveQueue(id, queue, worker));
  }

  remove(name: string): void {
    const { id, prepared } = this.#get(name);
    const { drops } = this.#counters.port(id);
    this.#call(name, () => this.#native.removePort(id));
    for (const [index, { name: reason }] of native.layout.dropReasons.entries()) {
      this.gone[index] = (this.gone[index] ?? 0) + Number(drops[reason]);
    }
    this.#entries.delete(name);
    this.#names.delete(id);
    native.namePort(id, '');
    this.generation++;
    this.#call(name, () => prepared.restore());
  }

  /** Undoes what the host did for the ports, when native code has closed them all. */
  restore(): void {
    const entries = [...this.#entries];
    this.#entries.clear();
    for (const [name, { prepared }] of entries) {
      this.#call(name, () => prepared.restore());
    }
  }

  counters(): Map<string, PortCounters> {
    return new Map([...this.#entries].map(([name, { id }]) => [name, this.#counters.port(id)]));
  }

  all(): PortStatus[] {
    const states = new Map(this.#native.portStates().map((state) => [state.id, state]));
    return [...this.#entries].map(([name, entry]) => this.#status(name, entry, states));
  }

  one(name: string): PortStatus {
    this.#get(name);
    return this.all().find((status) => status.name === name) as PortStatus;
  }

  #addNative(options: NativePortOptions, workers: number[] = []): number {
    const id = this.#native.addPort(options);
    if (workers.length > 0) {
      try {
        this.#native.placePort(id, workers);
      } catch (error) {
        this.#native.removePort(id);
        throw error;
      }
    }
    return id;
  }

  #call<T>(port: string, call: () => T): T {
    return nativeCall(`port "${port}"`, call, { port });
  }

  #status(name: string, { id, options }: Entry, states: Map<number, NativePortState>): PortStatus {
    const state = states.get(id);
    const { kind, bridge, macLimit, mtu } = options;
    return {
      name,
      kind,
      bridge,
      link: state?.link ? 'up' : 'down',
      peer: peerOf(state),
      device: deviceOf(state),
      ...this.#counters.port(id),
      macs: state?.macs ?? 0,
      macLimit,
      mtu,
      ...policyOf(options),
      attaches: state?.attaches ?? 0,
      protocolErrors: happened(state?.protocolErrors),
      lastError: state?.lastError ?? '',
      options: kindOf(options).show(options),
    };
  }

  #refuseVlans(name: string, options: Port): void {
    const { bridge } = options;
    const mistake = vlanMistake(options, bridge, this.#bridges.hasVlans(bridge));
    if (mistake) {
      throw invalid([{ path: `ports.${name}.${mistake.key}`, message: mistake.message }]);
    }
  }

  #refuseTwin(name: string, identity: string): void {
    for (const [other, { options }] of this.#entries) {
      if (kindOf(options).identity(options) === identity) {
        throw new SwitchError(
          'IN_USE',
          `port "${name}": port "${other}" has the same ${identity}`,
          {
            port: name,
            hint: 'choose another',
          },
        );
      }
    }
  }

  #get(name: string): Entry {
    const entry = this.#entries.get(name);
    if (!entry) {
      throw notFound('port', name, this.#entries.keys());
    }
    return entry;
  }
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(options: T): Given<T> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Given<T>;
}

function happened(errors: Record<string, number> = {}): Record<string, number> {
  return Object.fromEntries(Object.entries(errors).filter(([, times]) => times > 0));
}

function peerOf(state: NativePortState | undefined): Peer | null {
  if (!state?.link || state.peer === '') {
    return null;
  }
  const { peer: name, peerPid: pid, peerUid: uid, queues, ringSize } = state;
  return { name, pid, uid, queues, ringSize };
}

function deviceOf(state: NativePortState | undefined): Device | null {
  return state?.device ? { ...state.device, mac: formatMac(state.device.mac) } : null;
}

/** A port's other options are what it was made of: they change by making it again. */
function refuseFixed(name: string, current: Port, changes: PortChanges): void {
  const fixed = Object.keys(changes).filter(
    (key) => key in current && !(key in portChangesSchema.shape),
  );
  const message = 'cannot change on a live port; remove the port and add it again';
  if (fixed.length > 0) {
    throw invalid(fixed.map((key) => ({ path: `ports.${name}.${key}`, message })));
  }
}
