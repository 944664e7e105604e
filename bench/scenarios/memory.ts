/** What a switch with two attached ports weighs. */
import { everyPeer, type Scenario } from '../scenario.js';

const mib = { unit: 'MiB', better: 'less' } as const;

export const memory: Scenario = {
  name: 'memory',
  what: 'resident memory with two ports attached: private, shared (rings and buffers of the attached), huge pages',
  quick: false,
  metrics: { private: mib, shared: mib, 'huge pages': mib },
  contenders: everyPeer({ forwarding: 'cross-connect' }),
  variants: () => ['2 ports'],
  trials: () => 1,
  async trial({ memoryAfter, running }) {
    if (running.pids.length === 0) {
      return { figures: {} };
    }
    const { private: own, shared, huge } = memoryAfter;
    const [a, b, c] = [own, shared, huge].map((bytes) => bytes / 2 ** 20);
    return { figures: { private: a ?? 0, shared: b ?? 0, 'huge pages': c ?? 0 } };
  },
};
