/** A thousand memif ports: how fast they attach, what they weigh, and what they cost a pair that is busy. */
import { onlyMemswitch, type Scenario } from '../scenario.js';
import { throughput } from './throughput.js';

const thousand = { ports: 1002, active: 2 };
export const crowd = onlyMemswitch({ 'memswitch, 1,002 ports': thousand });

export const attach: Scenario = {
  name: 'attach',
  what: '1,002 clients attach one after the other; what the process has grown by for each',
  quick: false,
  metrics: {
    'attach rate': { unit: 'ports/s', better: 'more' },
    'private memory': { unit: 'KiB/port', better: 'less' },
    'shared memory': { unit: 'KiB/port', better: 'less' },
  },
  contenders: crowd,
  variants: () => ['1,002 ports'],
  trials: () => 1,
  async trial({ memoryBefore, memoryAfter, traffic }) {
    const kib = (kind: 'private' | 'shared') =>
      Math.max(0, memoryAfter[kind] - memoryBefore[kind]) / 1024 / thousand.ports;
    return {
      figures: {
        'attach rate': thousand.ports / traffic.attachSeconds,
        'private memory': kib('private'),
        'shared memory': kib('shared'),
      },
    };
  },
};

export const crowded = throughput({
  name: 'ports-1000',
  what: 'a busy pair alone, and among 1,000 attached ports that are silent',
  contenders: onlyMemswitch({
    memswitch: {},
    'memswitch, 1,002 ports': thousand,
    'memswitch adaptive, 1,002 ports': { ...thousand, polling: 'adaptive' },
  }),
});
