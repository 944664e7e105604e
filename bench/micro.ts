/**
 * `npm run bench:micro`: what the calls cost that users make of a large switch (by benchmark.js), and the address table's
 * operations (bench/tables.cc).
 *
 *   npm run bench:micro -- [--seconds 1] [--json FILE]      seconds: how long each is repeated
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import Benchmark from 'benchmark';
import { checkConfiguration, Switch, type SwitchOptions } from '../switch/index.js';
import { Metrics } from '../switch/metrics/index.js';
import { built, range } from './programs.js';

interface Figure {
  name: string;
  /** Of one call. */
  nanoseconds: number;
  /** Relative margin of error, in percent; of benchmark.js only. */
  margin?: number;
}

const portCount = 1000;
const addressCount = 10_000;

function configuration(folder: string): SwitchOptions {
  const socket = join(folder, 'ports.sock');
  const port = (id: number) => [`p${id}`, { kind: 'memif', bridge: 'b', socket, id }] as const;
  const hex = (n: number) => n.toString(16).padStart(2, '0');
  const mac = (n: number) => `02:00:00:00:${hex(n >> 8)}:${hex(n & 255)}`;
  return {
    bridges: { b: { static: Object.fromEntries(range(addressCount).map((n) => [mac(n), 'p0'])) } },
    ports: Object.fromEntries(range(portCount).map(port)),
  };
}

/** Times one call by benchmark.js. */
async function timed(name: string, call: () => unknown, seconds: number): Promise<Figure> {
  const benchmark = new Benchmark(name, {
    async: true,
    defer: true,
    maxTime: seconds,
    minSamples: 3,
    async fn(deferred: Benchmark.Deferred) {
      await call();
      deferred.resolve();
    },
  });
  await new Promise((resolve) => benchmark.on('complete', resolve).run());
  const { mean, rme } = benchmark.stats;
  return { name, nanoseconds: mean * 1e9, margin: rme };
}

async function tables(seconds: number, show: (figure: Figure) => void): Promise<void> {
  const { stdout } = await promisify(execFile)(built('tables'), [String(seconds / 5)]);
  for (const line of stdout.trim().split('\n')) {
    const { operation, addresses, ns } = JSON.parse(line) as {
      operation: string;
      addresses: number;
      ns: number;
    };
    const count = addresses.toLocaleString('en-US');
    show({ name: `table of ${count} addresses: ${operation}`, nanoseconds: ns });
  }
}

function line({ name, nanoseconds, margin }: Figure): string {
  const time =
    nanoseconds < 1000 ? `${nanoseconds.toFixed(1)} ns` : `${(nanoseconds / 1e6).toFixed(3)} ms`;
  return `${name.padEnd(44)} ${time.padStart(12)}${margin === undefined ? '' : `  ± ${margin.toFixed(1)} %`}\n`;
}

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '1' }, json: { type: 'string' } },
});
const seconds = Number(values.seconds);
const figures: Figure[] = [];
const show = (figure: Figure) => {
  figures.push(figure);
  process.stdout.write(line(figure));
};
const folder = mkdtempSync(join(tmpdir(), 'memswitch-bench-'));
try {
  const options = configuration(folder);
  await using sw = await Switch.start(options);
  const metrics = new Metrics(sw);
  const before = sw.statistics();
  const functions = {
    [`statistics of ${portCount} ports`]: () => sw.statistics(),
    [`rates of ${portCount} ports`]: () => sw.rates(before),
    [`status of ${portCount} ports`]: () => sw.ports(),
    [`metrics of ${portCount} ports, as text`]: () => metrics.text(),
    [`metrics of ${portCount} ports, by gzip`]: () => metrics.text('gzip'),
    [`list of ${addressCount} addresses`]: () => sw.macs(),
    [`check of a configuration of ${portCount} ports`]: () => checkConfiguration(options),
  };
  for (const [name, call] of Object.entries(functions)) {
    show(await timed(name, call, seconds));
  }
  await tables(seconds, show);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
}
