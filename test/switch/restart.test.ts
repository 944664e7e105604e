/** A switch that is ended and started again: its clients come back by themselves, and frames flow again. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemifClient } from 'memswitch';
import { expect, onTestFinished, test } from 'vitest';
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

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'after %s and a new start clients come back by themselves, and frames flow',
  { timeout: 60_000 },
  async (signal) => {
    const path = folder();
    const [api, config] = [join(path, 'api.sock'), join(path, 'memswitch.yaml')];
    const sockets: [string, string] = [join(path, 'left.sock'), join(path, 'right.sock')];
    const port = (socket: string) => `{ kind: memif, bridge: blue, socket: ${socket} }`;
    writeFileSync(config, `ports: { left: ${port(sockets[0])}, right: ${port(sockets[1])} }`);
    let running = await daemon(['--config', config], api);
    const seen = await talking(sockets);
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
    expect(outages).toHaveLength(5);
    console.info(`after ${signal}: ms from ready to the first frame: ${outages.join(', ')}`);
  },
);
