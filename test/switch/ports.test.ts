/** Ports, bridges and addresses change while frames flow; what is not concerned loses nothing. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Switch } from 'memswitch';
import { describe, expect, onTestFinished, test } from 'vitest';
import { begin, folder, loadPair, memif, until } from './support.js';

const [one, two] = ['02:00:00:00:00:01', '02:00:00:00:00:02'];

async function busySwitch() {
  const path = folder();
  const [left, right] = [join(path, 'left.sock'), join(path, 'right.sock')];
  const sw = await Switch.start({ ports: { left: memif(left), right: memif(right) } });
  const loads = loadPair(left, right);
  await until('both are attached', () => sw.ports().every(({ link }) => link === 'up'));
  begin(...loads);
  await until('frames flow', () => sw.status().tx.frames > 10_000n);
  return { sw, loads, path };
}

async function quiet(sw: Switch): Promise<void> {
  let before = -1n;
  await until('traffic has ended', async () => {
    const { frames } = sw.status().rx;
    const still = frames === before;
    before = frames;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return still;
  });
}

test('frames flow between two ports, and everything balances', async () => {
  const { sw, loads } = await busySwitch();
  await using _ = sw;
  for (const load of loads) {
    load.stdin?.end();
  }
  await quiet(sw);
  const { rx, tx, copies, drops } = sw.status();
  expect(rx.frames + copies).toBe(tx.frames + drops);
  expect(drops).toBe(0n);
  expect(rx.bytes).toBe(rx.frames * 64n);
  expect(sw.drops()).toEqual([]);
});

test('addresses are learned where their frames come from', async () => {
  const { sw } = await busySwitch();
  await using _ = sw;
  const { total, macs } = sw.macs();
  expect(total).toBe(2);
  expect(macs.map(({ mac, port, kind }) => ({ mac, port, kind })).sort(byMac)).toEqual([
    { mac: one, port: 'left', kind: 'learned' },
    { mac: two, port: 'right', kind: 'learned' },
  ]);
  expect(sw.macs({ port: 'left' }).macs.map(({ mac }) => mac)).toEqual([one]);
  expect(sw.macs({ mac: two.toUpperCase() }).macs.map(({ port }) => port)).toEqual(['right']);
  expect(sw.macs({ kind: 'static' }).total).toBe(0);
  expect(sw.macs({ limit: 1 })).toMatchObject({ total: 2, macs: [{}] });
  expect(sw.bridge('blue').macs).toBe(2);
  expect(sw.port('left')).toMatchObject({
    link: 'up',
    peer: { name: 'left', pid: expect.any(Number) },
    macs: 1,
  });
});

test('ports that come and go beside them cost two others no frame', async () => {
  const { sw, loads, path } = await busySwitch();
  await using _ = sw;
  for (let round = 0; round < 50; round++) {
    await sw.addPort('other', memif(join(path, 'other.sock'), round % 2 ? 'blue' : 'red'));
    await sw.setPort('other', { bridge: 'green' });
    await sw.removePort('other');
  }
  for (const load of loads) {
    load.stdin?.end();
  }
  await quiet(sw);
  const { rx, tx, drops } = sw.status();
  expect(drops).toBe(0n);
  expect(tx.frames).toBe(rx.frames);
});

test('a port is removed in the middle of its traffic, and added again', async () => {
  const { sw, path } = await busySwitch();
  await using _ = sw;
  await sw.removePort('right');
  expect(sw.macs({ port: 'left' }).total).toBe(1);
  expect(sw.macs().macs.some(({ port }) => port === 'right')).toBe(false);
  await sw.addPort('right', memif(join(path, 'right.sock')));
  expect(sw.port('right')).toMatchObject({ name: 'right', macs: 0 });
});

test('a port that moves to another bridge is cut off from the first', async () => {
  const { sw } = await busySwitch();
  await using _ = sw;
  await sw.setPort('right', { bridge: 'red' });
  expect(sw.port('right')).toMatchObject({ bridge: 'red', link: 'up' });
  const { frames } = sw.port('right').tx;
  await until('left floods into nothing', () => sw.drops().length > 0);
  expect(sw.port('right').tx.frames - frames).toBeLessThan(1000n);
});

test('rates are what happened between two moments', async () => {
  const { sw } = await busySwitch();
  await using _ = sw;
  for await (const { rates, statistics } of sw.sample(100)) {
    expect(rates.ports.get('left')?.rx.frames).toBeGreaterThan(1000);
    expect(rates.workers[0]?.busy).toBeGreaterThan(0);
    expect(statistics.ports.get('left')?.rx.frames).toBeGreaterThan(10_000n);
    break;
  }
});

test('a port that is added again counts from zero, also in rates since before', async () => {
  const { sw, path } = await busySwitch();
  await using _ = sw;
  const before = sw.statistics();
  await sw.removePort('left');
  await sw.addPort('left', memif(join(path, 'elsewhere.sock')));
  expect(sw.rates(before).ports.get('left')).toEqual({
    rx: { frames: 0, bytes: 0 },
    tx: { frames: 0, bytes: 0 },
    drops: 0,
  });
});

describe('refusals', () => {
  test('name their code, and what to do', async () => {
    await using sw = await Switch.start({ ports: { a: memif('@memswitch-test-r') } });
    await expect(sw.addPort('a', memif('@x'))).rejects.toMatchObject({ code: 'EXISTS', port: 'a' });
    await expect(sw.addPort('b', memif('@memswitch-test-r'))).rejects.toMatchObject({
      code: 'IN_USE',
    });
    await expect(sw.addPort('b', memif('relative'))).rejects.toMatchObject({
      code: 'INVALID',
      path: 'ports.b.socket',
    });
    await expect(sw.removePort('b')).rejects.toThrow('port "b" does not exist; known: a');
    await expect(sw.setPort('a', { socket: '@y' } as object)).rejects.toThrow(
      'ports.a.socket: cannot change on a live port; remove the port and add it again',
    );
    await expect(sw.removeBridge('blue')).rejects.toMatchObject({ code: 'IN_USE' });
    await expect(sw.setBridge('blue', { macLimit: 5 })).rejects.toThrow(/add it again/);
    await expect(sw.setBridge('red', {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(sw.addStaticMac('blue', 'zz', 'a')).rejects.toMatchObject({ code: 'INVALID' });
    await expect(sw.removeMac('blue', one)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(() => sw.macs({ bridge: 'red' })).toThrow(/bridge "red" does not exist/);
    expect(() => sw.macs({ limit: 0 })).toThrow(/^macs.limit: must be/);
  });

  test('leave no bridge behind', async () => {
    await using sw = await Switch.start();
    await expect(sw.addPort('a', memif('/nowhere/a.sock', 'new'))).rejects.toMatchObject({
      port: 'a',
    });
    expect(sw.bridges()).toEqual([]);
  });

  test('a socket that another process serves', async () => {
    const socket = join(folder(), 'a.sock');
    await using first = await Switch.start({ ports: { a: memif(socket) } });
    const second = Switch.start({ ports: { b: memif(socket) } });
    await expect(second).rejects.toMatchObject({ code: 'IN_USE', port: 'b' });
    expect(first.ports()).toHaveLength(1);
  });

  test('a socket of another type that somebody serves, which is left alone', async () => {
    const socket = join(folder(), 'a.sock');
    const stranger = createServer().listen(socket);
    onTestFinished(() => {
      stranger.close();
    });
    await once(stranger, 'listening');
    const refused = Switch.start({ ports: { a: memif(socket) } });
    await expect(refused).rejects.toMatchObject({ code: 'IN_USE', port: 'a' });
    expect(existsSync(socket)).toBe(true);
  });
});

test('static addresses come from the configuration, stay, and go', async () => {
  await using sw = await Switch.start({
    bridges: { blue: { static: { [one]: 'a' } } },
    ports: { a: memif('@memswitch-test-s') },
  });
  const entry = {
    bridge: 'blue',
    mac: one,
    vlan: null,
    port: 'a',
    kind: 'static',
    age: null,
    remote: null,
  };
  expect(sw.macs()).toEqual({ total: 1, macs: [entry] });
  expect(await sw.flushMacs()).toBe(0);
  await sw.addStaticMac('blue', two.toUpperCase(), 'a');
  expect(sw.macs({ kind: 'static' }).total).toBe(2);
  await sw.removeMac('blue', one);
  expect(sw.macs().macs.map(({ mac }) => mac)).toEqual([two]);
});

test('bridges are added, changed and removed', async () => {
  await using sw = await Switch.start({ bridges: { blue: {} } });
  await sw.addBridge('red', { ageing: 0, macLimit: 10 });
  await sw.setBridge('red', { flood: false });
  expect(sw.bridges().map(({ name }) => name)).toEqual(['blue', 'red']);
  expect(sw.bridge('red')).toEqual({
    name: 'red',
    ageing: 0,
    macLimit: 10,
    learn: true,
    flood: false,
    vlans: false,
    macs: 0,
    ports: [],
  });
  await sw.removeBridge('red');
  await expect(sw.removeBridge('red')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

function byMac(a: { mac: string }, b: { mac: string }): number {
  return a.mac < b.mac ? -1 : 1;
}
