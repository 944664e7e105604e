/** The switch: what a program, the daemon and the tests hold in their hands. */

import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { recoverAll } from '../ports/index.js';
import { Applier, asConfiguration } from './apply.js';
import { nativeOptions, type RunningWorkers, withWorkers, workerChanges } from './apply-workers.js';
import { type BridgeStatus, Bridges } from './bridges.js';
import { type CaptureOptions, type CaptureStatus, Captures } from './captures.js';
import {
  type Configuration,
  checkConfiguration,
  checkWorker,
  underlaysFirst,
} from './config/check.js';
import type { Change, Running } from './config/difference.js';
import type { BridgeOptions, PortOptions, SwitchOptions, WorkerOptions } from './config/options.js';
import { CounterReader } from './counters.js';
import { nativeCall, SwitchError } from './errors.js';
import { EventHub, type SwitchEvent } from './events.js';
import { Explainer, type Explanation, type Question } from './explain.js';
import { type MacFilter, type MacList, Macs } from './macs.js';
import { type MirrorOptions, type MirrorStatus, Mirrors } from './mirrors.js';
import { nameEvent } from './name-event.js';
import {
  type NativeEvent,
  type NativeHeritage,
  type NativeSwitch,
  native,
  type Placement,
} from './native.js';
import { type PortChanges, type PortStatus, Ports } from './ports.js';
import { allPorts, type PortLabels, PortReadings, type Readings } from './readings.js';
import { LearnedAddresses } from './state/learned.js';
import { type Rates, ratesBetween, type Sample, type Statistics } from './statistics.js';
import {
  type Drop,
  dropsOf,
  type SwitchStatus,
  sums,
  version,
  type WorkerStatus,
  workerStatus,
} from './status.js';
import { type TunnelStatus, Tunnels } from './tunnels.js';
import { Workers } from './workers.js';

/** How {@link Switch.apply} goes about it; default: neither. */
export interface ApplyOptions {
  dryRun?: boolean | undefined;
  prune?: boolean | undefined;
}

/**
 * A packet switch in this process: poll workers in threads of their own move frames between ports; this object manages
 * them. Names of bridges and ports are 1 to 63 letters, digits, `.`, `_` or `-`.
 *
 * Every method may throw a {@link SwitchError}; after {@link close} all but `close` throw one with code `CLOSED`.
 *
 * ```ts
 * await using sw = await Switch.start({
 *   ports: {
 *     web: { kind: 'memif', bridge: 'blue', socket: '/run/memswitch/web.sock' },
 *     db: { kind: 'memif', bridge: 'blue', socket: '@memswitch-db' },
 *   },
 * });
 * for await (const { rates } of sw.sample()) console.log(rates.ports.get('web')?.rx.frames);
 * ```
 */
export class Switch {
  readonly #configuration: Configuration;
  readonly #native: NativeSwitch;
  readonly #counters: CounterReader;
  readonly #bridges: Bridges;
  readonly #ports: Ports;
  readonly #macs: Macs;
  readonly #learned: LearnedAddresses;
  readonly #tunnels: Tunnels;
  readonly #captures: Captures;
  readonly #mirrors: Mirrors;
  readonly #explainer: Explainer;
  readonly #workers: Workers;
  readonly #applier: Applier;
  readonly #events = new EventHub();
  readonly #closed = new AbortController();
  readonly #startedAt = performance.now();
  /** Workers from 0 on that configurations brought. */
  #configured: number;
  #placement: Placement;
  /** What changes workers takes turns. */
  #turn: Promise<unknown> = Promise.resolve();
  #started = false;
  #closing: Promise<void> | undefined;

  /**
   * Starts a switch and waits until its workers poll.
   * @param options the same object as a configuration file; everything has a default.
   * @throws {SwitchError} `INVALID` with every mistake in the options; `IN_USE` or `PERMISSION` for a socket; then
   *   nothing is left running.
   */
  static async start(options: SwitchOptions = {}): Promise<Switch> {
    const created = new Switch(checkConfiguration(options));
    try {
      created.#configure();
      await created.#workers.started();
      created.#started = true;
      return created;
    } catch (error) {
      await created.close();
      throw error;
    }
  }

  private constructor(configuration: Configuration) {
    const workers = configuration.workers.map(nativeOptions);
    this.#configured = workers.length;
    this.#placement = configuration.placement;
    this.#configuration = configuration;
    this.#native = nativeCall('workers', () => new native.Switch({ workers }, this.#tell));
    this.#counters = new CounterReader(this.#native);
    this.#bridges = new Bridges(this.#native);
    this.#ports = new Ports(this.#native, this.#bridges, this.#counters);
    this.#macs = new Macs(this.#native, this.#bridges, this.#ports);
    this.#learned = new LearnedAddresses(this.#native, this.#bridges, this.#ports);
    this.#tunnels = new Tunnels(this.#native, this.#ports);
    this.#captures = new Captures(this.#native, this.#ports);
    this.#mirrors = new Mirrors(this.#native, this.#ports);
    this.#explainer = new Explainer(this.#native, this.#bridges, this.#ports, this.#macs);
    const parts = { bridges: this.#bridges, ports: this.#ports, macs: this.#macs };
    const others = { tunnels: this.#tunnels, mirrors: this.#mirrors };
    this.#applier = new Applier({ ...parts, ...others }, configuration);
    this.#native.setPlacement(configuration.placement);
    this.#workers = new Workers(this.#native, workers, this.#workerFailed);
  }

  /**
   * Makes the switch what a configuration describes. What did not change is not touched and loses no frame; when a step fails,
   * all before it are undone.
   * @param dryRun only tells what would be done.
   * @param prune also removes what no configuration brought: ports, bridges and addresses that were added to the live switch.
   * @returns the differences.
   * @throws {SwitchError} `INVALID` with every mistake, or what the step that failed throws.
   */
  async apply(
    options: SwitchOptions,
    { dryRun = false, prune = false }: ApplyOptions = {},
  ): Promise<Change[]> {
    const wanted = checkConfiguration(options);
    const plan = () => workerChanges(this.#open().#runningWorkers(), wanted, prune);
    if (dryRun) {
      return [...plan(), ...this.#applier.plan(wanted, prune)];
    }
    return this.#inTurn(async () => {
      const changes = plan();
      const others = await withWorkers(this.#workers, changes, wanted, () => {
        this.#counters.refresh();
        return this.#applier.run(wanted, prune);
      });
      this.#native.setPlacement(wanted.placement);
      this.#placement = wanted.placement;
      this.#configured = wanted.workers.length;
      return [...changes, ...others];
    });
  }

  /**
   * What a restart needs to come back to this: what configurations brought, as it is now, and what was added live.
   * @internal
   */
  state(): { applied: Configuration; live: Running } {
    const { brought, live } = this.#open().#applier.state();
    const workers = [...this.#workers.options().values()].map(({ cpu, polling }) =>
      cpu < 0 ? { polling } : { cpu, polling },
    );
    return { applied: asConfiguration({ workers, placement: this.#placement }, brought), live };
  }

  /**
   * Adds what was added live before a restart.
   * @returns what could not be added, and why.
   * @internal
   */
  restore(live: Running): Error[] {
    return this.#open().#applier.restore(live);
  }

  /**
   * Learned addresses, to be kept over a restart.
   * @internal
   */
  get learned(): LearnedAddresses {
    return this.#learned;
  }

  /**
   * Gives sockets and peers of memif ports to the process that waits at a UNIX socket, which takes this one's place; then there is
   * only {@link close} left to do. Peers do not notice, and what lies in their rings stays there. When it fails all goes on.
   * @param note for that process.
   * @internal
   */
  handOver(socket: string, note: Buffer): void {
    nativeCall('handover', () => this.#open().#native.handOver(socket, note));
  }

  /**
   * Takes up what another process gave: sockets for the ports that are added from now on, and, when they are all there, their peers.
   * @internal
   */
  inherit(heritage: NativeHeritage): { adopt: () => number } {
    this.#open().#native.inherit(heritage);
    return { adopt: () => this.#open().#native.adopt() };
  }

  /**
   * Adds a port. A bridge that does not exist yet is made with defaults.
   * @throws {SwitchError} `INVALID` for its options, `EXISTS`, `IN_USE`, `PERMISSION`, `LIMIT`.
   */
  async addPort(name: string, options: PortOptions): Promise<void> {
    this.#open().#ports.add(name, options);
  }

  /**
   * Changes a live port; its link stays up. Its `bridge`, `macLimit`, `mtu`, `polling` and policies may change: for anything else
   * remove the port and add it again.
   * @throws {SwitchError} `NOT_FOUND`, `INVALID`.
   */
  async setPort(name: string, changes: PortChanges): Promise<void> {
    this.#open().#ports.set(name, changes);
  }

  /**
   * Removes a port, and the addresses behind it. Its peer is told; other ports lose no frame.
   * @throws {SwitchError} `NOT_FOUND`.
   */
  async removePort(name: string): Promise<void> {
    this.#open().#ports.remove(name);
  }

  /** @throws {SwitchError} `INVALID`, `EXISTS`, `LIMIT`. */
  async addBridge(name: string, options: BridgeOptions = {}): Promise<void> {
    this.#open().#bridges.add(name, options);
  }

  /**
   * Changes a bridge; what is not named stays. All but `macLimit` and `vlans` may change.
   * @throws {SwitchError} `NOT_FOUND`, `INVALID`.
   */
  async setBridge(name: string, changes: BridgeOptions): Promise<void> {
    this.#open().#bridges.set(name, changes);
  }

  /** @throws {SwitchError} `NOT_FOUND`, or `IN_USE` while it has ports. */
  async removeBridge(name: string): Promise<void> {
    this.#open().#bridges.remove(name, this.#ports.inBridge(name));
  }

  /**
   * Lists addresses.
   * @throws {SwitchError} `NOT_FOUND` for the bridge or port of the filter, `INVALID`.
   */
  macs(filter: MacFilter = {}): MacList {
    return this.#open().#macs.list(filter);
  }

  /**
   * Adds a static address, or makes a learned one static: it neither ages nor moves.
   * @param remote of a port that is a tunnel: the one of its remotes that the address is behind.
   * @throws {SwitchError} `NOT_FOUND`, `INVALID`, or `LIMIT` when the bridge is full.
   */
  async addStaticMac(bridge: string, mac: string, port: string, remote?: string): Promise<void> {
    this.#open().#macs.addStatic(bridge, mac, port, remote);
  }

  /**
   * Removes an address, static or learned.
   * @throws {SwitchError} `NOT_FOUND` when the bridge does not hold it.
   */
  async removeMac(bridge: string, mac: string): Promise<void> {
    this.#open().#macs.remove(bridge, mac);
  }

  /** Removes learned addresses, of one bridge, one port or all; returns how many. Static ones stay. */
  async flushMacs(filter: Pick<MacFilter, 'bridge' | 'port'> = {}): Promise<number> {
    return this.#open().#macs.flush(filter);
  }

  /** All tunnels with their remotes. */
  tunnels(): TunnelStatus[] {
    return this.#open().#tunnels.all();
  }

  /** @throws {SwitchError} `NOT_FOUND`, or `INVALID` for a port of another kind. */
  tunnel(port: string): TunnelStatus {
    return this.#open().#tunnels.one(port);
  }

  /**
   * Adds a remote to a live tunnel; other remotes lose no frame.
   * @throws {SwitchError} `NOT_FOUND`, `INVALID`, `EXISTS`, `LIMIT`.
   */
  async addRemote(port: string, address: string): Promise<void> {
    this.#open().#tunnels.addRemote(port, address);
  }

  /**
   * Removes a remote, listed or learned, and the addresses behind it.
   * @throws {SwitchError} `NOT_FOUND`, `INVALID`.
   */
  async removeRemote(port: string, address: string): Promise<void> {
    this.#open().#tunnels.removeRemote(port, address);
  }

  /**
   * Captures what comes in from ports and leaves by them, from now on: a pcapng stream, as Wireshark reads it, until it is
   * destroyed. Frames that come faster than they are read are lost to the capture, counted in the stream; the switch does not
   * wait for it. At most 16 at a time.
   * @throws {SwitchError} `NOT_FOUND`, `INVALID` for options or the filter, `SYSTEM` for a filter without libpcap, `LIMIT`.
   */
  async capture(ports: string | string[], options: CaptureOptions = {}): Promise<Readable> {
    return this.#open().#captures.start([ports].flat(), options);
  }

  /** Captures under way. */
  captures(): CaptureStatus[] {
    return this.#open().#captures.all();
  }

  /** Of all captures since the start: frames captured, and frames lost to them. */
  captureTotal(): { frames: bigint; lost: bigint } {
    return this.#open().#captures.total();
  }

  /**
   * Explains where a frame would go, and why: by a dry run through the stages and tables that frames go through.
   * @throws {SwitchError} `INVALID`, `NOT_FOUND`.
   */
  why(question: Question): Explanation[] {
    return this.#open().#explainer.explain(question);
  }

  /**
   * Copies frames of ports to another port, which takes no part in its bridge meanwhile.
   * @throws {SwitchError} `INVALID`, `EXISTS`, `NOT_FOUND` for a port, `IN_USE`.
   */
  async addMirror(name: string, options: MirrorOptions): Promise<void> {
    this.#open().#mirrors.add(name, options);
  }

  /** @throws {SwitchError} `NOT_FOUND`. */
  async removeMirror(name: string): Promise<void> {
    this.#open().#mirrors.remove(name);
  }

  mirrors(): MirrorStatus[] {
    return this.#open().#mirrors.all();
  }

  /** @throws {SwitchError} `NOT_FOUND`. */
  mirror(name: string): MirrorStatus {
    return this.#open().#mirrors.one(name);
  }

  /** All ports with their links and counters. */
  ports(): PortStatus[] {
    return this.#open().#ports.all();
  }

  /** @throws {SwitchError} `NOT_FOUND`. */
  port(name: string): PortStatus {
    return this.#open().#ports.one(name);
  }

  bridges(): BridgeStatus[] {
    const names = this.#open().#bridges.names();
    return names.map((name) => this.bridge(name));
  }

  /** @throws {SwitchError} `NOT_FOUND`. */
  bridge(name: string): BridgeStatus {
    return this.#open().#bridges.status(name, this.#ports.inBridge(name));
  }

  workers(): WorkerStatus[] {
    const states = this.#open().#native.workerStates();
    return states.map((state) =>
      workerStatus(
        state,
        this.#workers.isRunning(state.worker),
        this.#counters.worker(state.worker),
        (port) => this.#ports.nameOf(port),
      ),
    );
  }

  /**
   * Adds a worker; it takes its share of the queues from the others, without a frame lost.
   * @returns its number, the lowest that is free.
   * @throws {SwitchError} `INVALID`, `LIMIT`, or `SYSTEM` when its CPU cannot be had.
   */
  async addWorker(options: WorkerOptions = {}): Promise<number> {
    const { cpu, polling } = checkWorker(options);
    return this.#open().#inTurn(async () => {
      const worker = await this.#workers.add(
        nativeOptions({ cpu, polling: polling ?? 'adaptive' }),
      );
      this.#counters.refresh();
      return worker;
    });
  }

  /**
   * Changes a worker while it works; what is not named stays.
   * @throws {SwitchError} `NOT_FOUND`, `INVALID`, or `SYSTEM` when the CPU cannot be had; then it stays as it was.
   */
  async setWorker(worker: number, changes: WorkerOptions): Promise<void> {
    const { cpu, polling } = checkWorker(changes);
    this.#open().#workers.set(worker, {
      ...(cpu === undefined ? {} : { cpu }),
      ...(polling === undefined ? {} : { polling }),
    });
  }

  /**
   * Removes a worker; others take its queues first, without a frame lost.
   * @throws {SwitchError} `NOT_FOUND`, or `IN_USE` for the last one.
   */
  async removeWorker(worker: number): Promise<void> {
    return this.#open().#inTurn(() => this.#workers.remove(worker));
  }

  /**
   * Moves a receive queue to a worker by hand; no frame is lost, and no flow reordered. It stays there until its link ends: see
   * the port's option `workers` for longer.
   * @throws {SwitchError} `NOT_FOUND` for the port, its queue or the worker.
   */
  async setQueue(port: string, queue: number, worker: number): Promise<void> {
    this.#open().#ports.setQueue(port, queue, worker);
  }

  /** What was dropped so far, by port and reason; only what is above zero. */
  drops(): Drop[] {
    return dropsOf(this.ports());
  }

  /** The whole in a few numbers. */
  status(): SwitchStatus {
    const counters = [...this.#open().#ports.counters().values()];
    return {
      version,
      pid: process.pid,
      uptime: Math.round((performance.now() - this.#startedAt) / 1000),
      workers: this.#workers.size,
      bridges: this.#bridges.size,
      ports: this.#ports.size,
      ...sums(counters),
    };
  }

  /** All counters at this moment. Takes microseconds and disturbs no worker. */
  statistics(): Statistics {
    const ports = this.#open().#ports.counters();
    const workers = Array.from({ length: this.#counters.workers }, (_, index) =>
      this.#counters.worker(index),
    );
    return { time: performance.now(), ports, workers };
  }

  /**
   * Makes a way to read what metrics are made of, for one consumer; see readings.ts.
   * @internal
   */
  reader(): () => Readings {
    const numbers = new PortReadings(this.#native);
    let ports = new Map<number, PortLabels>();
    let generation = -1;
    return () => {
      const moved = this.#open() && numbers.look();
      if (generation !== this.#ports.generation) {
        generation = this.#ports.generation;
        ports = this.#ports.labels();
      }
      const gone = this.#ports.gone;
      const dropped = gone.map((count, reason) => count + numbers.drops(allPorts, reason));
      const macs = new Map(this.#bridges.names().map((name) => [name, this.#bridges.macs(name)]));
      const inService = [...this.#workers.options().keys()];
      const workers = new Map(inService.map((worker) => [worker, this.#counters.worker(worker)]));
      return { generation, ports, moved, numbers, dropped, macs, workers };
    };
  }

  /** What happened a second since an earlier {@link statistics} of this switch. */
  rates(since: Statistics): Rates {
    return ratesBetween(since, this.statistics());
  }

  /**
   * Counters and rates again and again, until the switch is closed.
   * @param intervalMs milliseconds between two samples, at least 1. Default 1,000.
   */
  async *sample(intervalMs = 1000): AsyncGenerator<Sample, void, undefined> {
    let before = this.statistics();
    while (await this.#pause(intervalMs)) {
      const statistics = this.statistics();
      yield { statistics, rates: ratesBetween(before, statistics) };
      before = statistics;
    }
  }

  /**
   * What happens from now on, until the switch is closed. Each caller has a queue of its own, of 1,024 events; beyond
   * that the newest are lost and an event `lost` tells how many.
   *
   * `worker-failed` is fatal: it is thrown as an uncaught exception when nobody listens.
   */
  events(): AsyncIterableIterator<SwitchEvent> {
    return this.#open().#events.subscribe();
  }

  /**
   * Stops the workers, tells all peers, and frees everything. May be called again, and returns the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #configure(): void {
    recoverAll();
    const { bridges, ports, mirrors } = this.#configuration;
    for (const [name, { static: _, ...options }] of Object.entries(bridges)) {
      this.#bridges.add(name, options);
    }
    for (const [name, options] of underlaysFirst(ports)) {
      this.#ports.add(name, options);
    }
    for (const [bridge, { static: macs }] of Object.entries(bridges)) {
      for (const [mac, { port, remote }] of Object.entries(macs)) {
        this.#macs.addStatic(bridge, mac, port, remote);
      }
    }
    for (const [name, options] of Object.entries(mirrors)) {
      this.#mirrors.add(name, options);
    }
  }

  /** Workers first: native memory is freed when nobody can be in it any more. */
  async #close(): Promise<void> {
    this.#closed.abort();
    this.#captures.end();
    await this.#workers.stop();
    this.#native.close();
    this.#ports.restore();
    this.#events.end();
    await this.#workers.close();
  }

  #runningWorkers(): RunningWorkers {
    const options = this.#workers.options();
    return { options, placement: this.#placement, configured: this.#configured };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  #open(): this {
    if (this.#closed.signal.aborted) {
      throw new SwitchError('CLOSED', 'the switch is closed', { hint: 'start a new one' });
    }
    return this;
  }

  /** False when the switch was closed meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    await delay(ms, undefined, { signal: this.#closed.signal }).catch(() => undefined);
    return !this.#closed.signal.aborted;
  }

  readonly #tell = (events: NativeEvent[]): void => {
    for (const event of events) {
      const named = nameEvent(event, this.#bridges, this.#ports);
      if (named) {
        this.#events.emit(named);
      }
    }
  };

  readonly #workerFailed = (worker: number, error: SwitchError): void => {
    if (!this.#events.emit({ type: 'worker-failed', worker, error }) && this.#started) {
      setImmediate(() => {
        throw error;
      });
    }
  };
}
