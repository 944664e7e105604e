/**
 * Prometheus metrics of a switch. Values are read when they are asked for; in between nothing is counted here. Those of ports
 * are many, and made by ports.ts; the others by prom-client.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { burstBounds, type WorkerCounters } from '../counters.js';
import type { MirrorStatus } from '../mirrors.js';
import { native } from '../native.js';
import type { Readings } from '../readings.js';
import type { Switch } from '../switch.js';
import type { RemoteStatus, TunnelStatus } from '../tunnels.js';
import { PortMetrics } from './ports.js';
import { Block, gzip, plain } from './text.js';

type Labels = Record<string, string | number>;
type Value = [labels: Labels, value: bigint | number];
type Workers = () => [worker: number, counters: WorkerCounters][];

export class Metrics {
  readonly #registry = new Registry();
  readonly #ports = new PortMetrics();
  readonly #readings: () => Readings;
  readonly #forget: (() => void)[] = [];
  readonly contentType = this.#registry.contentType;

  constructor(sw: Switch) {
    this.#readings = this.#once(sw.reader());
    const tunnels = this.#once(() => sw.tunnels());
    workerMetrics(this.#registry, () => [...this.#readings().workers]);
    tunnelMetrics(this.#registry, tunnels);
    deviceMetrics(this.#registry, this.#readings, sw);
    switchMetrics(this.#registry, this.#readings);
    captureMetrics(
      this.#registry,
      this.#once(() => sw.captureTotal()),
      sw,
    );
    mirrorMetrics(
      this.#registry,
      this.#once(() => sw.mirrors()),
    );
  }

  /**
   * All metrics as they are now, in Prometheus' text format 0.0.4.
   * @param encoding what they are sent in; gzip costs less, both here and at the other end.
   */
  async text(encoding: 'gzip' | 'identity' = 'identity'): Promise<Buffer> {
    for (const forget of this.#forget) {
      forget();
    }
    const ports = this.#ports.blocks(this.#readings());
    const blocks = [...ports, new Block(await this.#registry.metrics())];
    return encoding === 'gzip' ? gzip(blocks) : plain(blocks);
  }

  /** All metrics of one scrape are made of one reading. */
  #once<T>(read: () => T): () => T {
    let reading: T | undefined;
    this.#forget.push(() => {
      reading = undefined;
    });
    return () => {
      reading ??= read();
      return reading;
    };
  }
}

function switchMetrics(registry: Registry, readings: () => Readings): void {
  gauge(registry, 'memswitch_mac_entries', 'Addresses held, learned and static', () =>
    [...readings().macs].map(([bridge, count]): Value => [{ bridge }, count]),
  );
  counter(
    registry,
    'memswitch_dropped_frames_total',
    'Frames dropped by the switch, by reason; every reason, also at ports that are gone',
    () =>
      native.layout.dropReasons.map(
        ({ name: reason, side }, index): Value => [
          { reason, side },
          readings().dropped[index] ?? 0,
        ],
      ),
  );
}

function deviceMetrics(registry: Registry, readings: () => Readings, sw: Switch): void {
  const name = 'memswitch_device_statistic_total';
  counter(registry, name, "Devices' own counters", () => {
    const { ports, numbers } = readings();
    const devices = [...ports].filter(([id]) => numbers.isDevice(id));
    return devices.flatMap(([, { name: port }]) => {
      const { device } = sw.port(port);
      return Object.entries(device?.statistics ?? {}).map(
        ([statistic, value]): Value => [{ port, device: device?.name ?? '', statistic }, value],
      );
    });
  });
}

function workerMetrics(registry: Registry, workers: Workers): void {
  const perWorker = (name: string, help: string, read: (counters: WorkerCounters) => bigint) =>
    counter(registry, `memswitch_worker_${name}_total`, help, () =>
      workers().map(([worker, counters]): Value => [{ worker }, read(counters)]),
    );
  perWorker('busy_cycles', 'Cycles spent on frames', ({ busyCycles }) => busyCycles);
  perWorker('idle_cycles', 'Cycles spent looking for frames', ({ idleCycles }) => idleCycles);
  perWorker('loops', 'Rounds of the poll loop', ({ loops }) => loops);
  perWorker('sleeps', 'Times the worker went to sleep', ({ sleeps }) => sleeps);
  registry.registerMetric(new BurstHistogram(workers));
}

function tunnelMetrics(registry: Registry, tunnels: () => TunnelStatus[]): void {
  const readings = (read: (remote: RemoteStatus) => bigint | number) => () =>
    tunnels().flatMap(({ port, remotes }) =>
      remotes.map((remote): Value => [{ port, remote: remote.address }, read(remote)]),
    );
  const perRemote = (name: string, help: string, read: (remote: RemoteStatus) => bigint) =>
    counter(registry, `memswitch_tunnel_${name}_total`, help, readings(read));
  perRemote('rx_frames', 'Frames that came from the remote', ({ rx }) => rx.frames);
  perRemote('rx_bytes', 'Bytes of frames that came from the remote', ({ rx }) => rx.bytes);
  perRemote('tx_frames', 'Frames that were sent to the remote', ({ tx }) => tx.frames);
  perRemote('tx_bytes', 'Bytes of frames that were sent to the remote', ({ tx }) => tx.bytes);
  perRemote('dropped_frames', 'Frames to the remote that were dropped', ({ drops }) => drops);
  const up = readings(({ state }) => (state === 'up' ? 1 : 0));
  gauge(registry, 'memswitch_tunnel_up', 'Whether there is a way to the remote', up);
}

function captureMetrics(
  registry: Registry,
  total: () => { frames: bigint; lost: bigint },
  sw: Switch,
): void {
  const frames = 'memswitch_capture_frames_total';
  const lost = 'memswitch_capture_lost_frames_total';
  gauge(registry, 'memswitch_captures', 'Captures under way', () => [[{}, sw.captures().length]]);
  counter(registry, frames, 'Frames captured', () => [[{}, total().frames]]);
  counter(registry, lost, 'Frames that captures missed', () => [[{}, total().lost]]);
}

function mirrorMetrics(registry: Registry, mirrors: () => MirrorStatus[]): void {
  const perMirror = (name: string, help: string, read: (mirror: MirrorStatus) => bigint) =>
    counter(registry, `memswitch_mirror_${name}_total`, help, () =>
      mirrors().map((mirror): Value => [{ mirror: mirror.name, to: mirror.to }, read(mirror)]),
    );
  perMirror('frames', 'Copies sent', ({ copies }) => copies.frames);
  perMirror('bytes', 'Bytes of copies sent', ({ copies }) => copies.bytes);
  perMirror('lost_frames', 'Copies that their port did not take', ({ lost }) => lost);
}

function counter(registry: Registry, name: string, help: string, read: () => Value[]): void {
  show(registry, 'counter', new Counter({ name, help, registers: [] }), { name, help, read });
}

function gauge(registry: Registry, name: string, help: string, read: () => Value[]): void {
  show(registry, 'gauge', new Gauge({ name, help, registers: [] }), { name, help, read });
}

/**
 * Values that are kept elsewhere and only shown. prom-client's own way, to sum up by labels, takes most of a scrape: with
 * 1,000 tunnels there are thousands of them.
 */
function show(
  registry: Registry,
  type: string,
  metric: Counter | Gauge,
  { name, help, read }: { name: string; help: string; read: () => Value[] },
): void {
  const getForPromString = async () => {
    const values = read().map(([labels, value]) => ({ labels, value: Number(value) }));
    return { name, help, type, aggregator: 'sum', values };
  };
  registry.registerMetric(Object.assign(metric, { getForPromString }));
}

const burstFrames = { name: 'memswitch_worker_burst_frames', help: 'Frames in a burst' };

/** Sizes of bursts, which the workers put into buckets themselves: prom-client's own would want every burst told. */
class BurstHistogram extends Histogram {
  readonly #workers: Workers;

  constructor(workers: Workers) {
    super({ ...burstFrames, registers: [] });
    this.#workers = workers;
  }

  /** What both the text and get() are made of; not in prom-client's types. */
  async getForPromString() {
    const values = this.#workers().flatMap(bucketValues);
    return { ...burstFrames, type: 'histogram', values, aggregator: 'sum' };
  }
}

function bucketValues([worker, { burstSizes, frames, bursts }]: ReturnType<Workers>[number]) {
  const { name } = burstFrames;
  let below = 0n;
  const buckets = burstSizes.map((ofSize, index) => {
    below += ofSize;
    return value(`${name}_bucket`, { worker, le: burstBounds[index] ?? 0 }, below);
  });
  return [
    ...buckets,
    value(`${name}_bucket`, { worker, le: '+Inf' }, bursts),
    value(`${name}_sum`, { worker }, frames),
    value(`${name}_count`, { worker }, bursts),
  ];
}

function value(metricName: string, labels: Labels, count: bigint) {
  return { metricName, labels, value: Number(count) };
}
