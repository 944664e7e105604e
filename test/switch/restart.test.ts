/** A switch that is ended and started again: its clients come back by themselves, and frames flow again. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemifClient } from 'memswitch';
import { expect, onTestFinished, test } from 'vitest';
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
async function restarts(signal: NodeJS.Signals, ports: (path: string) => string, relay?: Vpp) {
  const path = folder();
  const [api, config] = [join(path, 'api.sock'), join(path, 'memswitch.yaml')];
  writeFileSync(config, ports(path));
  let running = await daemon(['--config', config], api);
  await relay?.start();
  const seen = await talking([join(path, 'left.sock'), join(path, 'right.sock')]);
  const outages: number[] = [];
  for (let restart = 0; restart < 5; restart++) {
    running.child.kill(signal);
    await running.end;
    seen.at = 0;
    running = await daemon(['--config', config], api);
    const ready = performance.now();
    await until('frames flow again', () => seen.at > 0);
    // Clients may be back before `ready` is printed: no outage after it then.
    outages.push(Math.max(0, Math.round(seen.at - ready)));
  }
  await relay?.end('SIGKILL');
  expect(outages).toHaveLength(5);
  return outages.join(', ');
}

const port = (path: string, bridge = 'blue', id = 0) =>
  `{ kind: memif, bridge: ${bridge}, socket: ${path}, id: ${id} }`;

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

const whyNot = noVpp();

test.skipIf(whyNot !== undefined)(`so does VPP${whyNot ? `: ${whyNot}` : ''}`, async () => {
  const socket = join(folder(), 'relay.sock');
  // From the left through VPP to the right.
  const ports = (path: string) => `ports:
  left: ${port(`${path}/left.sock`, 'near')}
  near: ${port(socket, 'near', 0)}
  far: ${port(socket, 'far', 1)}
  right: ${port(`${path}/right.sock`, 'far')}
`;
  const relay = new Vpp({ socket, role: 'client', queues: 1 }, 'polling');
  const outages = await restarts('SIGTERM', ports, relay);
  console.info(`VPP: ms from ready to the first frame: ${outages}`);
});
