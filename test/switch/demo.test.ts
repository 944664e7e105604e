/** `npm start`: what it shows, and what it proves at the end. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { finished, folder, root } from './support.js';

function start(...args: string[]) {
  const child = spawn(process.execPath, [join(root, 'dist/switch/cli/start.js'), ...args]);
  return { child, end: finished(child) };
}

const nothingLost = /^nothing lost: ([\d,]+) sent = \1 received$/m;

test('frames go round, and at the end nothing is lost', async () => {
  const { status, stdout, stderr } = await start('--seconds', '3', '--size', '128').end;
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^left rx .*f\/s .*bit\/s tx .* \| right rx .* \| worker \d+ %$/m);
  expect(stdout).toMatch(nothingLost);
});

test('Ctrl-C ends it with the proof', async () => {
  const { child, end } = start();
  await delay(2000);
  child.kill('SIGINT');
  const { status, stdout } = await end;
  expect(status).toBe(0);
  expect(stdout).toMatch(nothingLost);
});

test('a client that cannot run is a failure that is told', async () => {
  const { status, stderr } = await start('--size', '1').end;
  expect(status).toBe(1);
  expect(stderr).toMatch(/^memswitch: the load client "(left|right)" ended by itself/m);
});

test('wrong usage has exit status 2', async () => {
  expect((await start('--nonsense').end).status).toBe(2);
});

test("with --config it runs the user's own", async () => {
  const { status, stderr } = await start('--config', join(folder(), 'none.yaml')).end;
  expect(status).toBe(1);
  expect(stderr).toMatch(/none\.yaml: no such file$/m);
});
