/** The micro-benchmarks run, and time what they say. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { finished, folder, root } from '../switch/support.js';

test('every micro-benchmark has a time', { timeout: 60_000 }, async () => {
  const json = join(folder(), 'micro.json');
  const args = [join(root, 'dist/bench/micro.js'), '--seconds', '0.01', '--json', json];
  const { status, stdout, stderr } = await finished(spawn(process.execPath, args));
  expect(status, stderr).toBe(0);
  const figures = JSON.parse(readFileSync(json, 'utf8')) as { name: string; nanoseconds: number }[];
  const names = figures.map(({ name }) => name);
  expect(names).toContain('statistics of 1000 ports');
  expect(names).toContain('list of 10000 addresses');
  expect(names).toContain('check of a configuration of 1000 ports');
  expect(names.filter((name) => name.startsWith('table of'))).toHaveLength(12);
  expect(figures.filter(({ nanoseconds }) => !(nanoseconds > 0))).toEqual([]);
  expect(stdout.trim().split('\n')).toHaveLength(figures.length);
});
