/**
 * A VXLAN tunnel between memif and an underlay, each way by itself. What leaves by a device is counted where it ends: by the
 * kernel, or by the switch itself. Over devices testpmd is there too, which has no tunnels and passes the same frames on as they
 * are: what the devices give, and so what any switch can reach.
 */
import type { Lane } from '../lane.js';
import type { Peer, Topology } from '../peer.js';
import { type Scenario, standardTopology, warmUp } from '../scenario.js';
import type { Pattern } from '../traffic.js';

const able = ['memswitch', 'ovs-dpdk', 'vpp'];
const ceiling = 'testpmd-io';
const sizes = ['64', 'imix', '1400'];

async function rate(lane: Lane, size: string, seconds: number, pattern: Pattern): Promise<number> {
  const load = { size, pattern, any: lane.contender.peer.name === ceiling };
  await lane.traffic.run({ ...load, seconds: warmUp(seconds) });
  const before = await lane.running.arrived?.();
  const { received, seconds: took } = await lane.traffic.run({ ...load, seconds });
  const after = await lane.running.arrived?.();
  const outward = pattern === 'one-way' || pattern === 'away';
  const counted = before !== undefined && after !== undefined && outward;
  return (counted ? after - before : received) / took / 1e6;
}

interface Options {
  name: string;
  what: string;
  pattern: Pattern;
  topology: Partial<Topology>;
  sizes: string[];
}

function scenario({ name, what, pattern, topology, sizes: mine }: Options): Scenario {
  const whole = { ...standardTopology, ...topology, tunnel: true };
  return {
    name,
    what,
    quick: false,
    metrics: { rate: { unit: 'Mpps', better: 'more' } },
    contenders: (peers: Peer[]) =>
      peers
        .filter(
          ({ name: its }) =>
            able.includes(its) || its.startsWith('memswitch@') || (whole.ends && its === ceiling),
        )
        .map((peer) => ({ label: peer.name, peer, topology: whole })),
    variants: (settings) => (mine.length === 1 ? mine : (settings.sizes ?? mine)),
    ...(whole.ends === undefined && { prepare: (lane) => lane.traffic.announce(1) }),
    trial: async (lane, size, { seconds }) => ({
      figures: { rate: await rate(lane, size, seconds, pattern) },
    }),
  };
}

const into = 'from memif into a VXLAN tunnel';
const out = 'out of a VXLAN tunnel to memif';

/** The load is at both ends. */
const between = (
  [
    ['memif', 'memif as the underlay', {}],
    ['af_xdp', 'AF_XDP on a veth pair as the underlay', { ends: ['memif', 'af_xdp'] }],
  ] satisfies [string, string, Partial<Topology>][]
).flatMap(([name, underlay, topology]) => [
  scenario({
    name: `encapsulate-${name}`,
    what: `${into}, ${underlay}`,
    pattern: 'one-way',
    topology,
    sizes,
  }),
  scenario({
    name: `decapsulate-${name}`,
    what: `${out}, ${underlay}`,
    pattern: 'back',
    topology,
    sizes,
  }),
]);

/** Nothing on the underlay costs either switch a thing, so what is measured is the tunnel. A recording has one size. */
const alone = sizes.flatMap((size) => [
  scenario({
    name: `encapsulate-null-${size}`,
    what: `${into}, net_null as the underlay, ${size} bytes`,
    pattern: 'away',
    topology: { ends: ['memif', 'sink'], active: 1 },
    sizes: [size],
  }),
  scenario({
    name: `decapsulate-pcap-${size}`,
    what: `${out}, a recording by net_pcap as the underlay, ${size} bytes`,
    pattern: 'receive',
    topology: { ends: ['memif', 'replay'], active: 1, recorded: size },
    sizes: [size],
  }),
]);

export const tunnels: Scenario[] = [...between, ...alone];
