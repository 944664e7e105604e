/** As many frames as the rings take: how many arrive a second. */
import type { Contender, Lane } from '../lane.js';
import type { Peer, Topology } from '../peer.js';
import { everyPeer, onlyMemswitch, type Scenario, type Settings, warmUp } from '../scenario.js';
import type { Pattern } from '../traffic.js';

const allSizes = ['64', '128', '256', '512', '1024', '1518', 'imix'];

/** Million frames a second that arrive, at one size. */
export async function rate(
  lane: Lane,
  size: string,
  { seconds }: Pick<Settings, 'seconds'>,
  load: { pattern?: Pattern; addresses?: number } = {},
): Promise<number> {
  const moved = await lane.traffic.run({ seconds, warm: warmUp(seconds), size, ...load });
  return moved.received / moved.seconds / 1e6;
}

interface Options {
  name: string;
  what: string;
  quick?: boolean;
  topology?: Partial<Topology>;
  contenders?: (peers: Peer[]) => Contender[];
  sizes?: string[];
  pattern?: Pattern;
  /** Behind each port. */
  addresses?: number;
}

export function throughput(options: Options): Scenario {
  const { topology = {}, sizes = ['64'], pattern = 'one-way', addresses = 1 } = options;
  return {
    name: options.name,
    what: options.what,
    quick: options.quick ?? false,
    metrics: { rate: { unit: 'Mpps', better: 'more' } },
    contenders: options.contenders ?? everyPeer(topology),
    variants: (settings) => (topology.largest ? sizes : (settings.sizes ?? sizes)),
    prepare: (lane) => lane.traffic.announce(behind(lane, addresses)),
    async trial(lane, size, settings) {
      const load = { pattern, addresses: behind(lane, addresses) };
      return { figures: { rate: await rate(lane, size, settings, load) } };
    },
  };
}

/** Addresses that are sent to: no more than the contender was made for. */
function behind({ contender }: Lane, addresses: number): number {
  return Math.min(addresses, contender.topology.addresses);
}

/** The topology that most scenarios share, so that peers are started once for all of them. */
export const bridgeTopology: Partial<Topology> = { addresses: 1000 };

export const bridge = throughput({
  name: 'bridge',
  what: 'a learning bridge of two ports, one address each, one way',
  quick: true,
  contenders: everyPeer(bridgeTopology, true),
  sizes: allSizes,
});

export const bridgeBothWays = throughput({
  name: 'bridge-both-ways',
  what: 'the same, both ways at once; the sum',
  contenders: everyPeer(bridgeTopology, true),
  sizes: ['64', '1518', 'imix'],
  pattern: 'both-ways',
});

export const thousandAddresses = throughput({
  name: 'addresses-1000',
  what: 'a learning bridge, one way to 1,000 addresses in random order',
  topology: bridgeTopology,
  addresses: 1000,
});

/** Ascending, so that each finds a table that is no fuller than it says. Beside them our own rate with two addresses. */
export const manyAddresses = [100_000, 1_000_000].map((addresses) =>
  throughput({
    name: `addresses-${addresses}`,
    what: `a learning bridge, one way to ${addresses.toLocaleString('en-US')} addresses in random order`,
    quick: addresses === 1_000_000,
    contenders: (peers) => [
      ...everyPeer({ addresses: 1_000_000 })(peers),
      ...onlyMemswitch({ 'memswitch, 2 addresses': {} })(peers),
    ],
    addresses,
  }),
);

export const crossConnect = throughput({
  name: 'cross-connect',
  what: 'two ports with nothing to look up (memswitch: a bridge of two that does not learn)',
  topology: { forwarding: 'cross-connect' },
  sizes: ['64', '1518'],
});

export const flood = throughput({
  name: 'flood-8',
  what: 'broadcasts from one port to eight others; the copies that arrive',
  topology: { ports: 9, active: 9, forwarding: 'flood' },
  pattern: 'flood',
});

export const chained = throughput({
  name: 'chained-9000',
  what: 'frames of 9,000 bytes, each in five chained buffers of 2,048',
  topology: { largest: 9000 },
  sizes: ['9000'],
});

export const manyPorts = [16, 128].map((ports) =>
  throughput({
    name: `ports-${ports}`,
    what: `${ports} ports of one bridge, all active, two and two, one way; the sum`,
    topology: { ports, active: ports },
  }),
);
