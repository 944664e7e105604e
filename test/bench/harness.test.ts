/** The bench harness from end to end, at its smallest: that figures are there and fit together, not how large they are. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Peer } from '../../bench/peer.js';
import { crossing } from '../../bench/peers/crossing.js';
import { linuxBridge } from '../../bench/peers/linux-bridge.js';
import { testpmdIo } from '../../bench/peers/testpmd.js';
import { vpp } from '../../bench/peers/vpp.js';
import { type Results, resultsSchema } from '../../bench/results.js';
import { standardTopology } from '../../bench/scenario.js';
import { command, finished, folder, memswitch } from '../switch/support.js';

const smallest = ['--size', '64', '--trials', '3', '--seconds', '0.01'];

async function bench(
  ...args: string[]
): Promise<{ results: Results; tables: string; svg: string }> {
  const path = folder();
  const [json, chart] = [join(path, 'results.json'), join(path, 'chart.svg')];
  const files = ['--json', json, '--chart', chart];
  const { status, stdout, stderr } = await memswitch(['bench', ...smallest, ...args, ...files]);
  expect(status, stderr).toBe(0);
  const results = resultsSchema.parse(JSON.parse(readFileSync(json, 'utf8')));
  return { results, tables: stdout, svg: readFileSync(chart, 'utf8') };
}

function median(samples: number[]): number | undefined {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1];
}

function present(peers: Peer[]): string[] {
  return peers
    .filter((peer) => peer.missing(standardTopology) === undefined)
    .map(({ name }) => name);
}

test('a run says what it measured, with whom and where', { timeout: 90_000 }, async () => {
  const peers = [crossing, testpmdIo, linuxBridge, vpp];
  const names = peers.map(({ name }) => name);
  const { results, tables, svg } = await bench('--scenario', 'bridge', '--peer', names.join(','));

  const contenders = ['memswitch', ...present(peers)];
  expect(results.results).toHaveLength(1);
  const [rate] = results.results;
  expect(rate).toMatchObject({ scenario: 'bridge', variant: '64', metric: 'rate', unit: 'Mpps' });
  expect(rate?.figures.map(({ contender }) => contender).toSorted()).toEqual(contenders.toSorted());

  const own = rate?.figures.find(({ contender }) => contender === 'memswitch');
  for (const { contender, samples, ratio, ...told } of rate?.figures ?? []) {
    expect(samples, contender).toHaveLength(3);
    expect(told.median, contender).toBe(median(samples));
    expect(told.low).toBe(Math.min(...samples));
    expect(told.high).toBe(Math.max(...samples));
    const pairs = samples.map((sample, trial) => (own?.samples[trial] ?? 0) / sample);
    if (contender !== 'memswitch' && pairs.every((pair) => pair > 0 && Number.isFinite(pair))) {
      expect(ratio?.median).toBeCloseTo(median(pairs) ?? 0, 9);
    }
  }

  const absent = names.filter((name) => !contenders.includes(name));
  const skipped = results.skipped.map(({ contender }) => contender);
  expect(skipped.toSorted()).toEqual(absent.toSorted());
  expect(results.versions).toHaveProperty('memswitch');
  expect(results.machine).toMatchObject({ loadCpu: 0, switchCpu: 1 });
  expect(tables).toMatch(/^\| 64 B, rate, Mpps \|/m);
  expect(svg).toMatch(/^<svg/);
  expect(svg).toContain('crossing');
});

test('latency is ordered, and its histogram counts frames', { timeout: 60_000 }, async () => {
  const { results } = await bench('--scenario', 'latency-50', '--peer', 'crossing');
  const of = (metric: string) =>
    results.results.find((result) => result.metric === metric)?.figures[0]?.median ?? Number.NaN;
  expect(of('p50')).toBeGreaterThan(0);
  expect(of('p50')).toBeLessThanOrEqual(of('p99'));
  expect(of('p99')).toBeLessThanOrEqual(of('p99.9'));
  expect(of('p99.9')).toBeLessThanOrEqual(of('max'));
  const [histogram] = results.histograms;
  expect(histogram?.contender).toBe('memswitch');
  const frames = histogram?.buckets.reduce((sum, [, count]) => sum + count, 0);
  expect(frames).toBeGreaterThan(0);
});

test('every other kind of scenario has its figures', { timeout: 120_000 }, async () => {
  const names = 'flood-8,chained-9000,no-drop,memory,ports-16,wake';
  const { results } = await bench('--scenario', names, '--peer', 'crossing');
  const found = new Set(results.results.map(({ scenario }) => scenario));
  expect([...found].toSorted()).toEqual(names.split(',').toSorted());
  for (const { scenario, metric, figures } of results.results) {
    expect(figures[0]?.contender, `${scenario} ${metric}`).toBe('memswitch');
  }
  const flood = results.skipped.find(({ scenario }) => scenario === 'flood-8');
  expect(flood).toMatchObject({ contender: 'crossing', why: expect.stringContaining('flood') });
});

test('who ends it early gets what there is, and nothing stays behind', async () => {
  const before = leftovers();
  const child = spawn(process.execPath, [
    command,
    'bench',
    '--peer',
    'crossing',
    '--trials',
    '999',
  ]);
  const end = finished(child);
  await new Promise((resolve) =>
    child.stderr.on('data', (text) => /bridge/.test(text) && resolve(0)),
  );
  child.kill('SIGINT');
  expect(await end).toMatchObject({ status: 130, stdout: expect.stringContaining('trials of') });
  expect(leftovers()).toEqual(before);
});

test.each([
  [['--scenario', 'nonsense'], 'there is no scenario nonsense'],
  [['--peer', 'nonsense'], 'there is no peer nonsense'],
  [['--cpus', '1,1'], 'two different CPU numbers'],
  [['--trials', '0'], 'must be a number above 0'],
])('%s is wrong usage', async (args, said) => {
  const { status, stderr } = await memswitch(['bench', ...args]);
  expect(status).toBe(2);
  expect(stderr).toContain(said);
});

/** Folders of peers, and interfaces. */
function leftovers(): string[] {
  const folders = readdirSync(tmpdir()).filter((name) => name.startsWith('memswitch-bench-'));
  const interfaces = existsSync('/sys/class/net') ? readdirSync('/sys/class/net') : [];
  return [...folders, ...interfaces];
}
