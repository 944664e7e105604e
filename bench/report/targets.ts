/** What memswitch sets out to reach, and whether a run reached it. */
import type { Figure, Results } from '../results.js';

interface Target {
  scenario: string;
  variant: string;
  metric: string;
  /** Compared with whom; undefined: the figure itself counts, and must be at most `bound`. */
  against?: string;
  /** Least ratio; more than 1 is always to memswitch's credit. */
  bound: number;
}

function rate(scenario: string, variant: string, bounds: Record<string, number>): Target[] {
  return Object.entries(bounds).map(([against, bound]) => ({
    scenario,
    variant,
    metric: 'rate',
    against,
    bound,
  }));
}

const small = { crossing: 0.5, 'testpmd-io': 2, vpp: 1.5, 'ovs-dpdk': 4 };
const large = { crossing: 0.8, 'testpmd-io': 1.3, vpp: 1.3, 'ovs-dpdk': 1.3 };

const targets: Target[] = [
  ...rate('bridge', '64', small),
  ...rate('bridge', 'imix', large),
  ...rate('bridge', '1518', large),
  ...rate('addresses-1000000', '64', { vpp: 4, 'memswitch, 2 addresses': 0.4 }),
  { scenario: 'latency-50', variant: '64', metric: 'p99', against: 'testpmd-io', bound: 1 },
  { scenario: 'scrape', variant: '64', metric: 'cost to the worker', bound: 1 },
  { scenario: 'scrape', variant: '64', metric: 'cost to the rate', bound: 1 },
];

export interface Verdict {
  /** What is to be reached, in words. */
  target: string;
  /** Undefined: the run did not measure it. */
  reached?: { median: number; low: number; high: number; met: boolean };
}

/** Of those targets whose scenario was run at that size. */
export function verdicts({ results }: Results): Verdict[] {
  return targets.flatMap((target): Verdict[] => {
    const result = results.find(
      ({ scenario, variant, metric }) =>
        scenario === target.scenario && variant === target.variant && metric === target.metric,
    );
    if (result === undefined) {
      return [];
    }
    const reached = judge(target, result.figures);
    return [{ target: words(target, result.unit), ...(reached && { reached }) }];
  });
}

function judge({ against, bound }: Target, figures: Figure[]): Verdict['reached'] {
  if (against === undefined) {
    const [own] = figures;
    return own && { ...range(own), met: own.median <= bound };
  }
  const ratio = figures.find(({ contender }) => contender === against)?.ratio;
  return ratio && { ...range(ratio), met: ratio.median >= bound };
}

function range({ median, low, high }: { median: number; low: number; high: number }) {
  return { median, low, high };
}

function words({ scenario, variant, metric, against, bound }: Target, unit: string): string {
  const what = `${scenario} ${variant === 'imix' ? 'IMIX' : `${variant} B`}, ${metric}`;
  return against === undefined
    ? `${what}: at most ${bound} ${unit}`
    : `${what}: × ${bound} ${against}`;
}
