/** The switch: what a program, the daemon and the tests hold in their hands. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { recoverAll } from '../ports/index.js';
import { Applier, asConfiguration } from './apply.js';
import { type BridgeStatus, Bridges } from './bridges.js';
import { type Configuration, checkConfiguration, underlaysFirst } from './config/check.js';
import type { Change, Running } from './config/difference.js';
import type { BridgeOptions, PortOptions, SwitchOptions } from './config/options.js';
import { CounterReader } from './counters.js';
import { invalid, nativeCall, SwitchError } from './errors.js';
import { EventHub, type SwitchEvent } from './events.js';
import { type MacFilter, type MacList, Macs } from './macs.js';
import { nameEvent } from './name-event.js';
import { type NativeEvent, type NativeSwitch, native } from './native.js';
import { type PortChanges, type PortStatus, Ports } from './ports.js';
import { allPorts, type PortLabels, PortReadings, type Readings } from './readings.js';
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
  readonly #tunnels: Tunnels;
  readonly #workers: Workers;
  readonly #applier: Applier;
  readonly #events = new EventHub();
  readonly #closed = new AbortController();
  readonly #startedAt = performance.now();
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
    const workers = configuration.workers.map(({ cpu = -1, polling }) => ({ cpu, polling }));
    this.#configuration = configuration;
    this.#native = nativeCall('workers', () => new native.Switch({ workers }, this.#tell));
    this.#counters = new CounterReader(this.#native);
    this.#bridges = new Bridges(this.#native);
    this.#ports = new Ports(this.#native, this.#bridges, this.#counters);
    this.#macs = new Macs(this.#native, this.#bridges, this.#ports);
    this.#tunnels = new Tunnels(this.#native, this.#ports);
    const parts = { bridges: this.#bridges, ports: this.#ports, macs: this.#macs };
    this.#applier = new Applier({ ...parts, tunnels: this.#tunnels }, configuration);
    this.#workers = new Workers(this.#native, workers.length, this.#workerFailed);
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
    refuseOtherWorkers(this.#open().#configuration, wanted);
    return dryRun ? this.#applier.plan(wanted, prune) : this.#applier.run(wanted, prune);
  }

  /**
   * What a restart needs to come back to this: what configurations brought, as it is now, and what was added live.
   * @internal
   */
  state(): { applied: Configuration; live: Running } {
    const { workers } = this.#open().#configuration;
    const { brought, live } = this.#applier.state();
    return { applied: asConfiguration(workers, brought), live };
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
   * Adds a port. A bridge that does not exist yet is made with defaults.
   * @throws {SwitchError} `INVALID` for its options, `EXISTS`, `IN_USE`, `PERMISSION`, `LIMIT`.
   */
  async addPort(name: string, options: PortOptions): Promise<void> {
    this.#open().#ports.add(name, options);
  }

  /**
   * Changes a live port; its link stays up. Its `bridge`, `macLimit`, `mtu` and policies may change: for anything else
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
    const { workers } = this.#open().#configuration;
    return workers.map((options, worker) =>
      workerStatus(worker, options, this.#workers.isRunning(worker), this.#counters.worker(worker)),
    );
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
      workers: this.#configuration.workers.length,
      bridges: this.#bridges.size,
      ports: this.#ports.size,
      ...sums(counters),
    };
  }

  /** All counters at this moment. Takes microseconds and disturbs no worker. */
  statistics(): Statistics {
    const ports = this.#open().#ports.counters();
    const workers = this.#configuration.workers.map((_, index) => this.#counters.worker(index));
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
      return { generation, ports, moved, numbers, dropped, macs };
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
    const { bridges, ports } = this.#configuration;
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
  }

  /** Workers first: native memory is freed when nobody can be in it any more. */
  async #close(): Promise<void> {
    this.#closed.abort();
    await this.#workers.stop();
    this.#native.close();
    this.#ports.restore();
    this.#events.end();
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

function refuseOtherWorkers(now: Configuration, wanted: Configuration): void {
  if (!isDeepStrictEqual(now.workers, wanted.workers)) {
    const message = 'cannot change while the switch runs; restart it with this configuration';
    throw invalid([{ path: 'workers', message }]);
  }
}
