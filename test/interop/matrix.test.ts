/**
 * The interop matrix: the switch as server and as client, and each peer as the other, as a relay between two stations, so
 * that every frame crosses the peer's receive and its transmit side. Frames of 60 to 9,000 bytes (chained over buffers of 2,048)
 * go both ways at once and are compared byte by byte where they arrive; each side is restarted, and killed, in between, and
 * the switch comes back with another kind of polling. docs/interop.md is what it says.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Daemon } from './daemon.js';
import { borrowHugePages } from './hugepages.js';
import { missing } from './peers.js';
import { endAll } from './processes.js';
import { Libmemif, noLibmemif } from './relays/libmemif.js';
import { Memswitch } from './relays/memswitch.js';
import type { Place, Relay } from './relays/relay.js';
import { Testpmd } from './relays/testpmd.js';
import { noVpp, Vpp } from './relays/vpp.js';
import { Stations } from './stations.js';

const why = missing();

interface Peer {
  name: string;
  role: Place['role'];
  relay: (place: Place) => Relay;
  /** Why it can't be had here. */
  absent?: string | undefined;
  hugePages?: number;
  /** It sends by one queue, whatever it has. */
  oneQueue?: boolean;
}

const both = ['client', 'server'] as const;
const peers: Peer[] = [
  ...both.map((role) => ({
    name: 'net_memif',
    role,
    relay: (place: Place) => new Testpmd(place, false),
  })),
  {
    name: 'net_memif zero-copy',
    role: 'client',
    relay: (place) => new Testpmd(place, true),
    hugePages: 160, // twice its own: of one that was killed, the switch lets go a moment later
  },
  ...both.map((role) => ({
    name: 'memswitch',
    role,
    relay: (place: Place) => new Memswitch(place),
  })),
  ...both.flatMap((role) =>
    (['interrupt', 'polling'] as const).flatMap((mode) => [
      {
        name: `libmemif ${mode}`,
        role,
        relay: (place: Place) => new Libmemif(place, mode),
        absent: noLibmemif(),
      },
      {
        name: `VPP ${mode}`,
        role,
        relay: (place: Place) => new Vpp(place, mode),
        absent: noVpp(),
        oneQueue: true,
      },
    ]),
  ),
];

const rows = peers.flatMap((peer) =>
  [1, 4].map((queues) => {
    const title = `${peer.name} as ${peer.role}, ${queues} queue pair${queues > 1 ? 's' : ''}`;
    return [title, peer, queues] as const;
  }),
);

describe.skipIf(why !== undefined)(`interop matrix${why === undefined ? '' : `: ${why}`}`, () => {
  const cleanUp: ((failed: boolean) => unknown)[] = [];

  afterEach(async ({ task }) => {
    for (const step of cleanUp.splice(0).reverse()) {
      await step(task.result?.state === 'fail');
    }
    await endAll();
  });

  test.for(rows)('%s', { timeout: 120_000 }, async ([title, peer, queues], { skip }) => {
    const { role, absent, hugePages = 0, oneQueue = false } = peer;
    if (absent !== undefined) {
      return skip(absent);
    }
    const putBack = borrowHugePages(hugePages);
    if (putBack === undefined) {
      return skip(`the host has no ${hugePages} huge pages to lend`);
    }
    cleanUp.push(putBack);
    const folder = mkdtempSync(join(tmpdir(), 'memswitch-matrix-'));
    cleanUp.push(() => rmSync(folder, { recursive: true }));
    const socket = join(folder, 'peer.sock');
    const station = { queues };
    const ofPeer = { ...station, socket, role: role === 'server' ? 'client' : 'server' };
    const daemon = new Daemon(
      {
        left: { bridge: 'one', ...station },
        near: { bridge: 'one', ...ofPeer, id: 0 },
        far: { bridge: 'two', ...ofPeer, id: 1 },
        right: { bridge: 'two', ...station },
      },
      { workers: queues, polling: 'busy' },
    );
    cleanUp.push((failed) => {
      if (failed && daemon.program.running) {
        console.log(daemon.command('show', 'ports', '--json'));
      }
      return daemon.stop();
    });
    await daemon.ready();
    const relay = peer.relay({ socket, role, queues });
    const ends = { left: daemon.socket('left'), right: daemon.socket('right') };
    const stations = new Stations(daemon.folder, ends, queues);
    cleanUp.push(() => relay.end('SIGKILL'));

    let crossed = 0;
    const exchange = async (when: string) => {
      crossed += await stations.exchange(() => daemon.linked('left', 'near', 'far', 'right'));
      expect(stations.queuesUsed('right'), when).toHaveLength(oneQueue ? 1 : queues);
      expect(stations.queuesUsed('left'), when).toHaveLength(oneQueue ? 1 : queues);
    };
    await relay.start();
    await exchange('busy polling');
    await relay.end('SIGKILL');
    await relay.start();
    await exchange('peer killed and started');
    await relay.prepare();
    await daemon.restart('SIGKILL', { workers: queues, polling: 'adaptive' });
    await relay.reattach();
    await exchange('switch killed and started, adaptive');
    await relay.end('SIGTERM');
    await relay.start();
    await exchange('peer restarted');
    await relay.prepare();
    await daemon.restart('SIGTERM', { workers: queues, polling: 'interrupt' });
    await relay.reattach();
    await exchange('switch restarted, interrupt');
    console.log(`${title}: ${crossed} frames as they were sent`);
  });
});
