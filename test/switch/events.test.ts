/** What a switch tells of itself, to whom, and how it stays within bounds. */
import { join } from 'node:path';
import { Switch, type SwitchEvent } from 'memswitch';
import { expect, test } from 'vitest';
import { EventHub } from '../../switch/events.js';
import { begin, folder, load, loadPair, memif, until } from './support.js';

async function withPorts(options: { macLimit?: number } = {}) {
  const path = folder();
  const [left, right] = [join(path, 'left.sock'), join(path, 'right.sock')];
  const sw = await Switch.start({
    bridges: { blue: options },
    ports: { left: memif(left), right: memif(right) },
  });
  const seen: SwitchEvent[] = [];
  const reader = (async () => {
    for await (const event of sw.events()) {
      seen.push(event);
    }
  })();
  const has = (type: string, port: string) =>
    seen.some((event) => event.type === type && 'port' in event && event.port === port);
  return { sw, left, right, seen, has, reader };
}

test('links come up and go down by name', async () => {
  const { sw, left, right, seen, has, reader } = await withPorts();
  const [first] = loadPair(left, right);
  await until('both links are up', () => has('link-up', 'left') && has('link-up', 'right'));
  expect(seen).toContainEqual({ type: 'link-up', port: 'left', peer: 'left' });
  first.kill('SIGKILL');
  await until('the killed one is down', () => has('link-down', 'left'));
  expect(sw.port('left')).toMatchObject({ link: 'down', peer: null });
  expect(sw.port('right').link).toBe('up');
  await sw.close();
  await reader;
});

test('a peer that comes back is up again', async () => {
  const { sw, left, right, has, seen } = await withPorts();
  await using _ = sw;
  const [first] = loadPair(left, right);
  await until('the link is up', () => has('link-up', 'left'));
  first.kill('SIGKILL');
  await until('the link is down', () => has('link-down', 'left'));
  seen.length = 0;
  const { frames } = sw.port('left').rx;
  const [mac, peer] = ['02:00:00:00:00:01', '02:00:00:00:00:02'];
  begin(load({ socket: left, name: 'again', mac, peer }));
  await until('the link is up again', () => has('link-up', 'left'));
  await until('frames flow again', () => sw.port('left').rx.frames > frames);
  expect(sw.port('left')).toMatchObject({ attaches: 2, peer: { name: 'again' } });
});

test('an address that turns up at another port is told', async () => {
  const { sw, left, right, seen } = await withPorts();
  await using _ = sw;
  const [mac, nobody] = ['02:00:00:00:00:01', '02:00:00:00:00:09'];
  begin(load({ socket: left, name: 'left', mac, peer: nobody }));
  await until('it is learned', () => sw.macs().total === 1);
  begin(load({ socket: right, name: 'right', mac, peer: nobody }));
  const move = { type: 'move', bridge: 'blue', mac, from: 'left', to: 'right' };
  await until('the move is told', () => seen.some(({ type }) => type === 'move'));
  expect(seen).toContainEqual(move);
});

test('a limit that keeps an address from being learned is told', async () => {
  const { sw, left, right, seen } = await withPorts({ macLimit: 1 });
  await using _ = sw;
  begin(...loadPair(left, right));
  await until('the limit is told', () => seen.some(({ type }) => type === 'learn-limit'));
  expect(seen).toContainEqual(
    expect.objectContaining({ type: 'learn-limit', bridge: 'blue', port: undefined }),
  );
  expect(sw.macs().total).toBe(1);
});

test('each consumer has all events, from when it asked', async () => {
  const hub = new EventHub();
  const early = hub.subscribe();
  hub.emit({ type: 'lost', events: 1 });
  const late = hub.subscribe();
  hub.emit({ type: 'lost', events: 2 });
  hub.end();
  expect(await all(early)).toEqual([
    { type: 'lost', events: 1 },
    { type: 'lost', events: 2 },
  ]);
  expect(await all(late)).toEqual([{ type: 'lost', events: 2 }]);
  expect(await all(hub.subscribe())).toEqual([]);
});

test('a consumer that does not take its events loses the newest, and is told how many', async () => {
  const hub = new EventHub();
  const slow = hub.subscribe();
  for (let round = 0; round < 1500; round++) {
    hub.emit({ type: 'link-up', port: `p${round}`, peer: '' });
  }
  hub.end();
  const events = await all(slow);
  expect(events).toHaveLength(1025);
  expect(events.at(-1)).toEqual({ type: 'lost', events: 476 });
});

test('a consumer that leaves is forgotten', async () => {
  const hub = new EventHub();
  const leaving = hub.subscribe();
  expect(hub.emit({ type: 'lost', events: 1 })).toBe(true);
  for await (const _ of leaving) {
    break;
  }
  expect(hub.emit({ type: 'lost', events: 1 })).toBe(false);
});

async function all(events: AsyncIterable<SwitchEvent>): Promise<SwitchEvent[]> {
  const seen: SwitchEvent[] = [];
  for await (const event of events) {
    seen.push(event);
  }
  return seen;
}

test('a second peer of a port that has one is refused, and the operator is told too', async () => {
  const { sw, left, right, seen, has } = await withPorts();
  await using _ = sw;
  loadPair(left, right);
  await until('the first has it', () => has('link-up', 'left'));
  load({ socket: left, name: 'second', mac: '02:00:00:00:00:03', peer: '02:00:00:00:00:02' });
  await until('the refusal is told', () => has('protocol-error', 'left'));
  const reason = 'id 0 is in use by another peer';
  expect(seen).toContainEqual({ type: 'protocol-error', port: 'left', error: 'refused', reason });
  expect(sw.port('left')).toMatchObject({ link: 'up', peer: { name: 'left' }, lastError: reason });
  expect(sw.port('left').protocolErrors.refused).toBeGreaterThan(0);
});
