/**
 * However a process ends in the middle of traffic, it ends at once: nothing waits for a poll thread. The bounds here are
 * generous for loaded machines; an unstopped loop would never end.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Switch, SwitchError } from 'memswitch';
import { describe, expect, test } from 'vitest';
import { finished, firstLine, folder, memif } from './support.js';

const child = fileURLToPath(new URL('lifecycle-child.mjs', import.meta.url));
const boundMs = 5000;

async function end(ending: string, signal?: NodeJS.Signals) {
  const process_ = spawn(process.execPath, ['--expose-gc', child, ending, folder()]);
  const result = finished(process_);
  await firstLine(process_);
  const started = performance.now();
  if (signal) {
    process_.kill(signal);
  }
  return { ...(await result), ms: performance.now() - started };
}

describe('a process in the middle of traffic ends at once', () => {
  test.each([
    ['by process.exit()', 'exit', undefined, { status: 0, signal: null, stderr: '' }],
    ['by an uncaught throw', 'throw', undefined, { status: 1, signal: null }],
    ['by SIGINT', 'wait', 'SIGINT', { status: null, signal: 'SIGINT' }],
    ['by SIGTERM', 'wait', 'SIGTERM', { status: null, signal: 'SIGTERM' }],
    ['by close(), twice', 'close', undefined, { status: 0, signal: null, stderr: '' }],
    ['by disposal', 'dispose', undefined, { status: 0, signal: null, stderr: '' }],
    ['when the switch could be collected', 'collect', undefined, { status: 0, signal: null }],
  ] as const)('%s', async (_, ending, signal, expected) => {
    const { ms, ...result } = await end(ending, signal);
    expect(result).toMatchObject(expected);
    expect(ms).toBeLessThan(boundMs);
  });
});

test('after close() every method says so', async () => {
  const sw = await Switch.start();
  const samples = sw.sample(10);
  const events = sw.events();
  const earlier = sw.statistics();
  await sw.close();
  const methods: (() => unknown)[] = [
    () => sw.ports(),
    () => sw.port('a'),
    () => sw.bridges(),
    () => sw.bridge('b'),
    () => sw.macs(),
    () => sw.workers(),
    () => sw.drops(),
    () => sw.status(),
    () => sw.statistics(),
    () => sw.rates(earlier),
    () => sw.events(),
    () => sw.addPort('a', memif('@a')),
    () => sw.setPort('a', {}),
    () => sw.removePort('a'),
    () => sw.addBridge('b'),
    () => sw.setBridge('b', {}),
    () => sw.removeBridge('b'),
    () => sw.addStaticMac('b', '02:00:00:00:00:01', 'a'),
    () => sw.removeMac('b', '02:00:00:00:00:01'),
    () => sw.flushMacs(),
    () => samples.next(),
  ];
  for (const method of methods) {
    await expect(async () => method()).rejects.toMatchObject({ code: 'CLOSED' });
  }
  expect(await events.next()).toEqual({ value: undefined, done: true });
});

test('a switch that is closed while it is sampled ends the samples', async () => {
  const sw = await Switch.start();
  let count = 0;
  for await (const { rates } of sw.sample(5)) {
    expect(rates.seconds).toBeGreaterThan(0);
    if (++count === 3) {
      await sw.close();
    }
  }
  expect(count).toBe(3);
});

test('a start that fails leaves nothing behind', async () => {
  const ports = { good: memif('@memswitch-test-good'), bad: memif('/nowhere/at/all.sock') };
  const start = Switch.start({ ports });
  await expect(start).rejects.toThrow(SwitchError);
  await expect(start).rejects.toThrow(/port "bad"/);
  await using again = await Switch.start({ ports: { good: ports.good } });
  expect(again.ports()).toHaveLength(1);
});

test('switches start and close again and again, and several live side by side', async () => {
  for (let round = 0; round < 10; round++) {
    const both = await Promise.all([
      Switch.start({ ports: { a: memif('@memswitch-test-a') } }),
      Switch.start({ ports: { b: memif('@memswitch-test-b') } }),
    ]);
    await Promise.all(both.map((sw) => sw.close()));
  }
});
