/** A VXLAN tunnel between memif and an underlay, each way by itself. What leaves by a device the kernel counts. */
import type { Lane } from '../lane.js';
import type { Peer, Topology } from '../peer.js';
import { type Scenario, standardTopology, warmUp } from '../scenario.js';
import type { Pattern } from '../traffic.js';

const able = ['memswitch', 'ovs-dpdk', 'vpp'];

interface Underlay {
  name: string;
  what: string;
  topology: Partial<Topology>;
}

const underlays: Underlay[] = [
  { name: 'memif', what: 'memif as the underlay', topology: {} },
  {
    name: 'af_xdp',
    what: 'AF_XDP on a veth pair as the underlay',
    topology: { ends: ['memif', 'af_xdp'] },
  },
];

async function rate(lane: Lane, size: string, seconds: number, pattern: Pattern): Promise<number> {
  await lane.traffic.run({ seconds: warmUp(seconds), size, pattern });
  const before = await lane.running.arrived?.();
  const { received, seconds: took } = await lane.traffic.run({ seconds, size, pattern });
  const after = await lane.running.arrived?.();
  const counted = before !== undefined && after !== undefined && pattern === 'one-way';
  return (counted ? after - before : received) / took / 1e6;
}

function scenario(
  name: string,
  what: string,
  pattern: Pattern,
  { topology, ...underlay }: Underlay,
): Scenario {
  const whole = { ...standardTopology, ...topology, tunnel: true };
  return {
    name: `${name}-${underlay.name}`,
    what: `${what}, ${underlay.what}`,
    quick: false,
    metrics: { rate: { unit: 'Mpps', better: 'more' } },
    contenders: (peers: Peer[]) =>
      peers
        .filter((peer) => able.includes(peer.name) || peer.name.startsWith('memswitch@'))
        .map((peer) => ({ label: peer.name, peer, topology: whole })),
    variants: ({ sizes }) => sizes ?? ['64', 'imix', '1400'],
    prepare: (lane) => lane.traffic.announce(1),
    trial: async (lane, size, { seconds }) => ({
      figures: { rate: await rate(lane, size, seconds, pattern) },
    }),
  };
}

export const tunnels: Scenario[] = underlays.flatMap((underlay) => [
  scenario('encapsulate', 'from memif into a VXLAN tunnel', 'one-way', underlay),
  scenario('decapsulate', 'out of a VXLAN tunnel to memif', 'back', underlay),
]);
