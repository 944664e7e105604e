/** Ports over devices. What no load can take is counted by the kernel, or by the switch itself. */
import type { End } from '../device-ends.js';
import type { Lane } from '../lane.js';
import type { Peer } from '../peer.js';
import { type Scenario, standardTopology, warmUp } from '../scenario.js';

const able = ['memswitch', 'testpmd-io', 'ovs-dpdk'];

interface Options {
  name: string;
  what: string;
  ends: [End, End];
}

async function moved(lane: Lane, size: string, seconds: number): Promise<number> {
  const pattern = lane.contender.topology.ends?.[0] === 'memif' ? 'away' : 'receive';
  await lane.traffic.run({ seconds: warmUp(seconds), size, pattern });
  const before = (await lane.running.arrived?.()) ?? 0;
  const result = await lane.traffic.run({ seconds, size, pattern });
  const after = await lane.running.arrived?.();
  return (after === undefined ? result.received : after - before) / result.seconds / 1e6;
}

/** Rates of a recording hold for its size: each size has a lane of its own. */
function scenario({ name, what, ends }: Options, size: string): Scenario {
  const load = ends.filter((end) => end === 'memif').length;
  const topology = { ...standardTopology, ends, active: load, recorded: size };
  return {
    name: `${name}-${size}`,
    what: `${what}, ${size} bytes`,
    quick: false,
    metrics: { rate: { unit: 'Mpps', better: 'more' } },
    contenders: (peers: Peer[]) =>
      peers
        .filter((peer) => able.includes(peer.name) || peer.name.startsWith('memswitch@'))
        .map((peer) => ({ label: peer.name, peer, topology })),
    variants: () => [size],
    trial: async (lane, variant, { seconds }) => ({
      figures: { rate: await moved(lane, variant, seconds) },
    }),
  };
}

const all: Options[] = [
  {
    name: 'memif-af_xdp',
    what: 'from memif to a veth pair by AF_XDP, counted by the kernel at its other end',
    ends: ['memif', 'af_xdp'],
  },
  { name: 'replay-memif', what: 'a recording by net_pcap to memif', ends: ['replay', 'memif'] },
  {
    name: 'device-device',
    what: 'from device to device, buffers passed on: a recording by net_pcap to net_null (a ceiling)',
    ends: ['replay', 'sink'],
  },
];

export const devices: Scenario[] = all.flatMap((options) =>
  ['64', '1518'].map((size) => scenario(options, size)),
);
