/** Medians, ratios, tables and targets, from results made by hand. */
import { expect, test } from 'vitest';
import { markdown } from '../../bench/report/markdown.js';
import { verdicts } from '../../bench/report/targets.js';
import type { Figure, Results } from '../../bench/results.js';
import { scenarios } from '../../bench/scenarios/index.js';
import { pairedRatio, summary } from '../../bench/statistics.js';

function figure(contender: string, samples: number[], own?: number[]): Figure {
  const ratio = own && pairedRatio(own, samples, 'more');
  return { contender, samples, ...summary(samples), ...(ratio && { ratio }) };
}

function results(figures: Figure[]): Results {
  const rate = { metric: 'rate', unit: 'Mpps', better: 'more' } as const;
  return {
    schema: 1,
    date: '2026-01-01T00:00:00.000Z',
    commit: 'abc',
    command: 'memswitch bench',
    machine: {
      cpu: 'CPU',
      cpus: 2,
      virtual: true,
      memoryBytes: 2 ** 30,
      busyBefore: 0,
      kernel: '6.1',
      loadCpu: 0,
      switchCpu: 1,
    },
    versions: { node: 'v20' },
    options: { trials: 3, seconds: 0.05, lossTolerance: 0.001 },
    results: [{ scenario: 'bridge', variant: '64', ...rate, figures }],
    histograms: [],
    skipped: [{ scenario: 'bridge', contender: 'vpp', why: 'vpp is not installed' }],
  };
}

test.each([
  [[3, 1, 2], { median: 2, low: 1, high: 3 }],
  [[4, 1, 2, 3], { median: 2.5, low: 1, high: 4 }],
  [[7], { median: 7, low: 7, high: 7 }],
])('the median and range of %j', (samples, expected) => {
  expect(summary(samples)).toEqual(expected);
});

test('ratios are of neighbours, not of medians', () => {
  // The machine became ten times slower between the second and the third trial.
  expect(pairedRatio([20, 22, 2], [10, 10, 1], 'more')).toEqual({ median: 2, low: 2, high: 2.2 });
  expect(pairedRatio([5, 5], [10, 20], 'less')).toEqual({ median: 3, low: 2, high: 4 });
  expect(pairedRatio([1, 1], [0, 0], 'more')).toBeUndefined();
});

test('a table has a column for each contender, and says who was left out', () => {
  const own = [30, 40, 50];
  const text = markdown(
    results([figure('memswitch', own), figure('testpmd-io', [20, 20, 20], own)]),
    scenarios,
  );
  expect(text).toContain('|  | memswitch | testpmd-io |');
  expect(text).toContain(
    '| 64 B, rate, Mpps | 40.0 (30.0–50.0) | 20.0 (20.0–20.0) **×2.00** (1.50–2.50) |',
  );
  expect(text).toContain('- vpp: vpp is not installed (bridge)');
});

test('a target is met, missed or not measured', () => {
  const own = [30, 40, 50];
  const figures = [
    figure('memswitch', own),
    figure('testpmd-io', [20, 20, 20], own),
    figure('crossing', [100, 100, 100], own),
  ];
  const told = verdicts(results(figures)).map(({ target, reached }) => [target, reached?.met]);
  expect(told).toEqual([
    ['bridge 64 B, rate: × 0.5 crossing', false],
    ['bridge 64 B, rate: × 2 testpmd-io', true],
    ['bridge 64 B, rate: × 1.5 vpp', undefined],
    ['bridge 64 B, rate: × 4 ovs-dpdk', undefined],
  ]);
});
