/** Prometheus metrics of a switch. Values are read when they are asked for; in between nothing is counted here. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { PortStatus } from './ports.js';
import type { WorkerStatus } from './status.js';
import type { Switch } from './switch.js';
import type { RemoteStatus, TunnelStatus } from './tunnels.js';

type Labels = Record<string, string | number>;
type Reading = [labels: Labels, value: bigint | number];

/** A registry whose metrics show the switch as it is at each scrape. */
export function metrics(sw: Switch): Registry {
  const registry = new Registry();
  portMetrics(
    registry,
    onceATurn(() => sw.ports()),
  );
  workerMetrics(
    registry,
    onceATurn(() => sw.workers()),
  );
  tunnelMetrics(
    registry,
    onceATurn(() => sw.tunnels()),
  );
  gauge(registry, 'memswitch_mac_entries', 'Addresses held, learned and static', () =>
    sw.bridges().map(({ name, macs }): Reading => [{ bridge: name }, macs]),
  );
  return registry;
}

/** All metrics of one scrape are made of one reading. */
function onceATurn<T>(read: () => T): () => T {
  let reading: T | undefined;
  return () => {
    if (reading === undefined) {
      reading = read();
      setImmediate(() => {
        reading = undefined;
      });
    }
    return reading;
  };
}

function portMetrics(registry: Registry, ports: () => PortStatus[]): void {
  const perPort = (name: string, help: string, read: (port: PortStatus) => bigint | number) =>
    counter(registry, `memswitch_port_${name}_total`, help, () =>
      ports().map((port): Reading => [labelsOf(port), read(port)]),
    );
  perPort('rx_frames', 'Frames that came in from the port', ({ rx }) => rx.frames);
  perPort('rx_bytes', 'Bytes that came in from the port', ({ rx }) => rx.bytes);
  perPort('tx_frames', 'Frames that left by the port', ({ tx }) => tx.frames);
  perPort('tx_bytes', 'Bytes that left by the port', ({ tx }) => tx.bytes);
  perPort('copies', 'Additional frames made by flooding', ({ copies }) => copies);
  perPort('consumed', 'Outer frames of tunnels that ended at the port', (port) => port.consumed);
  perPort('moves', 'Addresses that moved to the port', ({ moves }) => moves);
  perPort('learn_limited', 'Frames whose source a limit kept from being learned', (port) => {
    return port.learnLimited;
  });
  perPort('attaches', 'Times a peer attached', ({ attaches }) => attaches);
  counter(registry, 'memswitch_memif_protocol_errors_total', 'Violations of memif', () =>
    ports().flatMap(({ name: port, protocolErrors }) =>
      Object.entries(protocolErrors).map(([error, times]): Reading => [{ port, error }, times]),
    ),
  );
  counter(registry, 'memswitch_port_dropped_frames_total', 'Frames dropped', () =>
    ports().flatMap(({ name: port, drops }) =>
      Object.entries(drops).map(([reason, frames]): Reading => [{ port, reason }, frames]),
    ),
  );
  counter(registry, 'memswitch_device_statistic_total', "Devices' own counters", () =>
    ports().flatMap(({ name: port, device }) =>
      Object.entries(device?.statistics ?? {}).map(
        ([statistic, value]): Reading => [{ port, device: device?.name ?? '', statistic }, value],
      ),
    ),
  );
  gauge(
    registry,
    'memswitch_port_up',
    'Whether a peer is attached, or the link of the device is up',
    () => ports().map((port): Reading => [labelsOf(port), port.link === 'up' ? 1 : 0]),
  );
}

function workerMetrics(registry: Registry, workers: () => WorkerStatus[]): void {
  const perWorker = (name: string, help: string, read: (worker: WorkerStatus) => bigint) =>
    counter(registry, `memswitch_worker_${name}_total`, help, () =>
      workers().map((worker): Reading => [{ worker: worker.worker }, read(worker)]),
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
      remotes.map((remote): Reading => [{ port, remote: remote.address }, read(remote)]),
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

function labelsOf({ name, kind, bridge }: PortStatus): Labels {
  return { port: name, kind, bridge };
}

function counter(registry: Registry, name: string, help: string, read: () => Reading[]): void {
  show(registry, 'counter', new Counter({ name, help, registers: [] }), { name, help, read });
}

function gauge(registry: Registry, name: string, help: string, read: () => Reading[]): void {
  show(registry, 'gauge', new Gauge({ name, help, registers: [] }), { name, help, read });
}

/**
 * Values that are kept elsewhere and only shown. prom-client's own way, to sum up by labels, takes most of a scrape: with
 * 1,000 ports there are 40,000 of them.
 */
function show(
  registry: Registry,
  type: string,
  metric: Counter | Gauge,
  { name, help, read }: { name: string; help: string; read: () => Reading[] },
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
  readonly #workers: () => WorkerStatus[];

  constructor(workers: () => WorkerStatus[]) {
    super({ ...burstFrames, registers: [] });
    this.#workers = workers;
  }

  /** What both the text and get() are made of; not in prom-client's types. */
  async getForPromString() {
    const values = this.#workers().flatMap(bucketValues);
    return { ...burstFrames, type: 'histogram', values, aggregator: 'sum' };
  }
}

function bucketValues({ worker, burstSizes, frames, bursts }: WorkerStatus) {
  const { name } = burstFrames;
  let below = 0n;
  const buckets = burstSizes.map((size) => {
    below += size.bursts;
    return value(`${name}_bucket`, { worker, le: size.frames }, below);
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
