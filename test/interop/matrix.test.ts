/**
 * The interop matrix: the switch as server and as client, and each peer as the other, as a relay between two stations, so
 * that every frame crosses the peer's receive and its transmit side. Frames of 60 to 9,000 bytes (chained over buffers of 2,048)
 * go both ways at once and are compared byte by byte where they arrive; each side is restarted, and killed, in between, and
 * the switch comes back with another kind of polling. docs/interop.md is what it says.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { Daemon } from './daemon.js';
import { borrowHugePages } from './hugepages.js';
import { missing } from './peers.js';
import { endAll } from './processes.js';
import { Memswitch, type Place, type Relay, Testpmd } from './relays.js';
import { Stations } from './stations.js';

const why = missing();

interface Peer {
  name: string;
  role: Place['role'];
  relay: (place: Place) => Relay;
  hugePages?: number;
}

const peers: Peer[] = [
  { name: 'net_memif', role: 'client', relay: (place) => new Testpmd(place, false) },
  {
    name: 'net_memif zero-copy',
    role: 'client',
    relay: (place) => new Testpmd(place, true),
    hugePages: 80,
  },
  { name: 'net_memif', role: 'server', relay: (place) => new Testpmd(place, false) },
  { name: 'memswitch', role: 'client', relay: (place) => new Memswitch(place) },
  { name: 'memswitch', role: 'server', relay: (place) => new Memswitch(place) },
];

const rows = peers.flatMap((peer) =>
  [1, 4].map((queues) => {
    const title = `${peer.name} as ${peer.role}, ${queues} queue pair${queues > 1 ? 's' : ''}`;
    return [title, peer, queues] as const;
  }),
);

describe.skipIf(why !== undefined)(`interop matrix${why === undefined ? '' : `: ${why}`}`, () => {
  const cleanUp: (() => unknown)[] = [];

  afterEach(async () => {
    await endAll();
    for (const step of cleanUp.splice(0).reverse()) {
      await step();
    }
  });

  test.for(rows)('%s', { timeout: 120_000 }, async ([title, peer, queues], { skip }) => {
    const { role, hugePages = 0 } = peer;
    const putBack = borrowHugePages(hugePages);
    if (putBack === undefined) {
      return skip(`the host has no ${hugePages} huge pages to lend`);
    }
    cleanUp.push(putBack);
    const ownRole = role === 'server' ? 'client' : 'server';
    const daemon = new Daemon(
      {
        left: { bridge: 'one', queues },
        near: { bridge: 'one', queues, role: ownRole },
        far: { bridge: 'two', queues, role: ownRole },
        right: { bridge: 'two', queues },
      },
      { workers: queues, polling: 'busy' },
    );
    cleanUp.push(() => daemon.stop());
    await daemon.ready();
    const [near, far] = [daemon.socket('near'), daemon.socket('far')];
    const relay = peer.relay({ near, far, role, queues });
    const ends = { left: daemon.socket('left'), right: daemon.socket('right') };
    const stations = new Stations(daemon.folder, ends, queues);
    cleanUp.push(() => relay.end('SIGKILL'));

    const exchange = async (when: string) => {
      const crossed = await stations.exchange(() => daemon.linked('left', 'near', 'far', 'right'));
      console.log(`${title}, ${when}: ${crossed} frames`);
      expect(stations.queuesUsed('right'), when).toHaveLength(queues);
      expect(stations.queuesUsed('left'), when).toHaveLength(queues);
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
  });
});
