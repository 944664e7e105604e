/** A short soak; `npm run soak -- --minutes 30` is the long one. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { finished } from '../switch/support.js';

const script = join(import.meta.dirname, 'run.mjs');

test('after a day in short the pair has lost nothing and the daemon is as it was', {
  timeout: 120_000,
}, async () => {
  const { stdout, stderr } = await finished(
    spawn(process.execPath, [script, '--minutes', '0.25'], { stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  expect(stdout, stderr).not.toBe('');
  const figures = JSON.parse(stdout);
  expect(figures, stdout).toMatchObject({ faults: [] });
  expect(
    Math.min(figures.attaches, figures.applies, figures.scrapes, figures.captures),
    stdout,
  ).toBeGreaterThan(3);
});
