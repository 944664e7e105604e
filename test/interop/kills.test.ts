/** Containers that are killed, again and again, beside a pair that exchanges frames at full speed. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Daemon } from './daemon.js';
import { endAll, Program, until } from './processes.js';

const program = join(import.meta.dirname, '..', '..', 'build', 'Release', 'load');
const rounds = 100;

afterEach(endAll);

/** A load client (bench/load.cc): keeps 256 frames going between itself and its peer, and counts what is lost. */
function load(daemon: Daemon, port: string, own: number, peer: number): Program {
  const mac = (n: number) => `02:00:00:00:00:0${n}`;
  const args = ['--socket', daemon.socket(port), '--mac', mac(own), '--peer', mac(peer)];
  return new Program(program, args);
}

async function exchanging(daemon: Daemon, ports: string[], clients: Program[]): Promise<void> {
  await daemon.linked(...ports);
  const moved = async () =>
    (await daemon.named(...ports)).reduce((sum, { rx }) => sum + rx.frames, 0);
  const before = await moved();
  for (const client of clients) {
    client.say('');
  }
  await until(`frames between ${ports.join(' and ')}`, async () => (await moved()) > before + 1000);
}

test(`${2 * rounds} killed peers cost a pair no frame`, { timeout: 180_000 }, async () => {
  const daemon = new Daemon({
    left: {},
    right: {},
    one: { bridge: 'red' },
    two: { bridge: 'red' },
  });
  await daemon.ready();
  const pair = [load(daemon, 'left', 1, 2), load(daemon, 'right', 2, 1)];
  await exchanging(daemon, ['left', 'right'], pair);
  const descriptors = () => readdirSync(`/proc/${daemon.program.pid}/fd`).length;
  const before = descriptors();

  for (let round = 0; round < rounds; ++round) {
    const victims = [load(daemon, 'one', 3, 4), load(daemon, 'two', 4, 3)];
    await exchanging(daemon, ['one', 'two'], victims);
    await Promise.all(victims.map((victim) => victim.end('SIGKILL')));
  }
  await until('links down', async () =>
    (await daemon.named('one', 'two')).every(({ link }) => link === 'down'),
  );
  expect(daemon.ports().map(({ attaches }) => attaches)).toEqual([1, 1, rounds, rounds]);
  expect(descriptors()).toBe(before);

  for (const client of pair) {
    client.hangUp();
  }
  const said = await Promise.all(pair.map((client) => client.finished()));
  const [left, right] = said.map(({ output }) =>
    JSON.parse(output.trim().split('\n').at(-1) ?? ''),
  );
  expect(left).toMatchObject({
    sent: right.received,
    received: right.sent,
    invalid: 0,
    final: true,
  });
  expect(right).toMatchObject({ invalid: 0, final: true });
  expect(await daemon.stop()).toBe(0);
  console.log(`${2 * rounds} killed peers beside ${left.sent + right.sent} frames, none lost`);
});
