/**
 * The rate between two memif ports, memswitch beside DPDK's testpmd, in one run:
 *
 *   npm run bench -- [--size 64] [--addresses 1] [--trials 31] [--seconds 0.1]
 *
 * Both stay warm; while one is tried the other is stopped (SIGSTOP). Trials take turns (A B A B …), for this kind of
 * machine swings by a factor of two, and what is told is the median of the ratios of neighbours, with their range.
 * CPU 0 sends and receives (bench/blast.cc), CPU 1 switches. The load touches each header and copies no payload.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Blast } from './blast.js';
import { type Contender, startMemswitch, startTestpmd } from './contenders.js';

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '64' },
    addresses: { type: 'string', default: '1' },
    trials: { type: 'string', default: '31' },
    seconds: { type: 'string', default: '0.1' },
  },
});

interface Lane {
  contender: Contender;
  blast: Blast;
  mpps: number[];
}

async function lane(contender: Contender): Promise<Lane> {
  const { from, to } = contender;
  const blast = await Blast.start({ from, to, size: values.size, addresses: values.addresses });
  contender.pause();
  return { contender, blast, mpps: [] };
}

function quantile(sorted: number[], q: number): number {
  return sorted[Math.round((sorted.length - 1) * q)] ?? Number.NaN;
}

function summary(samples: number[]): string {
  const sorted = samples.toSorted((a, b) => a - b);
  const [low, median, high] = [0, 0.5, 1].map((q) => quantile(sorted, q).toFixed(2));
  return `${median} (${low} to ${high})`;
}

const contenders = [await startMemswitch(Number(values.addresses)), await startTestpmd()];
const lanes: Lane[] = [];
try {
  for (const contender of contenders) {
    lanes.push(await lane(contender));
  }
  for (let trial = 0; trial < Number(values.trials); ++trial) {
    for (const { contender, blast, mpps } of lanes) {
      contender.resume();
      await delay(20);
      mpps.push(await blast.trial(values.seconds));
      contender.pause();
    }
  }
  process.stdout.write(
    `${values.size} bytes, ${values.addresses} addresses: Mpps, median (range)\n`,
  );
  const [own, ...others] = lanes;
  for (const { contender, mpps } of lanes) {
    process.stdout.write(`  ${contender.name.padEnd(12)} ${summary(mpps)}\n`);
  }
  for (const { contender, mpps } of others) {
    const ratios = mpps.map((rate, trial) => (own?.mpps[trial] ?? Number.NaN) / rate);
    process.stdout.write(`  memswitch / ${contender.name}: ${summary(ratios)}\n`);
  }
} finally {
  for (const { blast } of lanes) {
    blast.stop();
  }
  for (const contender of contenders) {
    await contender.stop();
  }
}
