/** How long frames take at a share of what each switch can do: each frame carries the time it left. */
import { everyPeer, type Scenario, warmUp } from '../scenario.js';
import { summary } from '../statistics.js';
import { bridgeTopology, rate } from './throughput.js';

const time = { unit: 'µs', better: 'less' } as const;

function latency(percent: number): Scenario {
  return {
    name: `latency-${percent}`,
    what: `one way at ${percent} % of each switch's own rate, every frame timed`,
    quick: percent === 50,
    metrics: {
      p50: time,
      p99: time,
      'p99.9': time,
      max: time,
      carried: { unit: 'Mpps', better: 'more' },
    },
    contenders: everyPeer(bridgeTopology),
    variants: ({ sizes = ['64'] }) => sizes,
    trials: ({ trials }) => Math.ceil(trials / 2),
    async prepare(lane, size, settings) {
      await lane.traffic.announce(1);
      const rates: number[] = [];
      for (let run = 0; run < 3; ++run) {
        rates.push(await rate(lane, size, settings));
      }
      lane.capacity = summary(rates).median * 1e6;
    },
    async trial(lane, size, { seconds }) {
      const moved = await lane.traffic.run({
        seconds,
        warm: warmUp(seconds), // a switch that has just been woken is late with its first frames
        size,
        rate: (lane.capacity * percent) / 100,
        stamp: true,
      });
      if (moved.latency === undefined) {
        return { figures: {} };
      }
      const { p50, p99, p999, max, histogram } = moved.latency;
      const times = { p50: p50 / 1e3, p99: p99 / 1e3, 'p99.9': p999 / 1e3, max: max / 1e3 };
      const carried = moved.received / moved.seconds / 1e6;
      return { figures: { ...times, carried }, histogram };
    },
  };
}

export const latencies = [10, 50, 90].map(latency);
