/** A switch that is ended and started again: its clients come back by themselves, and frames flow again. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemifClient } from 'memswitch';
import { expect, onTestFinished, test } from 'vitest';
import { Libmemif, noLibmemif } from '../interop/relays/libmemif.js';
import type { Place, Relay } from '../interop/relays/relay.js';
import { Testpmd } from '../interop/relays/testpmd.js';
import { noVpp, Vpp } from '../interop/relays/vpp.js';
import { daemon, folder, until } from './support.js';

const frame = Buffer.alloc(64);
frame.write('020000000002020000000001', 'hex');

/** Two clients at the ports of a daemon; one sends, the other notes when a frame came, the first after `at` was set to 0. */
async function talking(sockets: [string, string]) {
  const [from, to] = (await Promise.all(
    sockets.map((socket) => MemifClient.connect({ socket, signal: AbortSignal.timeout(10_000) })),
  )) as [MemifClient, MemifClient];
  const sending = setInterval(() => from.send([frame]), 1);
  onTestFinished(() => {
    clearInterval(sending);
    from.close();
    to.close();
  });
  const seen = { at: 0, frames: 0 };
  void (async () => {
    for await (const frames of to.bursts()) {
      seen.at ||= performance.now();
      seen.frames += frames.length;
    }
  })();
  await until('frames arrive', () => seen.frames > 0);
  return seen;
}

/** Ends and starts the switch again and again; how long after `ready` frames flow, each time in ms. */
async function restarts(signal: NodeJS.Signals, ports: (path: string) => string, relay?: Relay) {
  const path = folder();
  const [api, config] = [join(path, 'api.sock'), join(path, 'memswitch.yaml')];
  writeFileSync(config, ports(path));
  let running = await daemon(['--config', config], api);
  await relay?.start();
  const seen = await talking([join(path, 'left.sock'), join(path, 'right.sock')]);
  const outages: number[] = [];
  for (let restart = 0; restart < 5; restart++) {
    await relay?.prepare();
    running.child.kill(signal);
    await running.end;
    seen.at = 0;
    running = await daemon(['--config', config], api);
    const ready = performance.now();
    await relay?.reattach();
    await until('frames flow again', () => seen.at > 0);
    // Clients may be back before `ready` is printed: no outage after it then.
    outages.push(Math.max(0, Math.round(seen.at - ready)));
  }
  await relay?.end('SIGKILL');
  expect(outages).toHaveLength(5);
  return outages.join(', ');
}

const port = (path: string, bridge = 'blue', id = 0, role = 'server') =>
  `{ kind: memif, bridge: ${bridge}, socket: ${path}, id: ${id}, role: ${role} }`;

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'after %s and a new start clients come back by themselves, and frames flow',
  async (signal) => {
    const pair = (path: string) =>
      `ports: { left: ${port(`${path}/left.sock`)}, right: ${port(`${path}/right.sock`)} }`;
    console.info(
      `after ${signal}: ms from ready to the first frame: ${await restarts(signal, pair)}`,
    );
  },
);

/** From the left through the peer, which is at two ports of its own, to the right. */
async function restartsBeside(make: (place: Place) => Relay, role: Place['role']) {
  const socket = join(folder(), 'relay.sock');
  const relay = make({ socket, role, queues: 1 });
  const ours = role === 'client' ? 'server' : 'client';
  const outages = await restarts(
    'SIGTERM',
    (path) => `ports:
  left: ${port(`${path}/left.sock`, 'near')}
  near: ${port(socket, 'near', 0, ours)}
  far: ${port(socket, 'far', 1, ours)}
  right: ${port(`${path}/right.sock`, 'far')}
`,
    relay,
  );
  console.info(
    `${expect.getState().currentTestName}: ms from ready to the first frame: ${outages}`,
  );
}

const peers: [string, string | undefined, (place: Place) => Relay, Place['role']][] = [
  ['VPP', noVpp(), (place) => new Vpp(place, 'polling'), 'client'],
  ['a program over libmemif', noLibmemif(), (place) => new Libmemif(place, 'interrupt'), 'client'],
  ['DPDK net_memif, as a server', undefined, (place) => new Testpmd(place, false), 'server'],
];
for (const [name, whyNot, make, role] of peers) {
  test.skipIf(whyNot !== undefined)(`so does ${name}${whyNot ? `: ${whyNot}` : ''}`, () =>
    restartsBeside(make, role),
  );
}
