/** What a switch costs while nothing happens, and how fast it is there when something does. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Contender } from '../lane.js';
import type { Peer } from '../peer.js';
import { onlyMemswitch, type Scenario, standardTopology } from '../scenario.js';

const hundredPorts = { ports: 100, active: 2 };

/** The switch, sleeping in both its ways; and DPDK, which does not sleep, with the two ports it takes. */
function sleepers(peers: Peer[]): Contender[] {
  const own = onlyMemswitch({
    memswitch: { ...hundredPorts, polling: 'adaptive' },
    'memswitch interrupt': { ...hundredPorts, polling: 'interrupt' },
  })(peers);
  const others = peers
    .filter(({ name }) => name === 'testpmd-io')
    .map((peer) => ({ label: `${peer.name}, 2 ports`, peer, topology: standardTopology }));
  return [...own, ...others];
}

export const idle: Scenario = {
  name: 'idle',
  what: 'CPU time, all threads, with 100 ports attached and no frame',
  quick: false,
  metrics: { 'CPU time': { unit: '% of a core', better: 'less' } },
  contenders: sleepers,
  variants: () => ['100 ports'],
  trials: () => 3,
  async trial(lane) {
    await delay(50); // it may just have been woken
    const [started, before] = [performance.now(), lane.cpuSeconds()];
    await delay(1000);
    const elapsed = (performance.now() - started) / 1000;
    return { figures: { 'CPU time': ((lane.cpuSeconds() - before) / elapsed) * 100 } };
  },
};

export const wake: Scenario = {
  name: 'wake',
  what: 'the first frame after 10 ms of silence, 100 ports attached: from leaving to arriving',
  quick: false,
  metrics: { p50: { unit: 'µs', better: 'less' }, p99: { unit: 'µs', better: 'less' } },
  contenders: sleepers,
  variants: () => ['100 ports'],
  trials: () => 3,
  prepare: (lane) => lane.traffic.announce(1),
  async trial(lane) {
    const { latency } = await lane.traffic.wake(100, 0.01);
    return {
      figures: { p50: latency.p50 / 1e3, p99: latency.p99 / 1e3 },
      histogram: latency.histogram,
    };
  },
};
