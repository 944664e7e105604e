/** Medians and ranges of trials. */

export interface Summary {
  median: number;
  low: number;
  high: number;
}

export function summary(samples: number[]): Summary {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return { median, low: sorted[0] ?? Number.NaN, high: sorted.at(-1) ?? Number.NaN };
}

/**
 * The ratios of neighbours in time, `own` to `other`, so that what slows the machine for a while slows both; turned round
 * where less is better, so that more than 1 is always to our credit. Trials without a figure are left out.
 */
export function pairedRatio(
  own: number[],
  other: number[],
  better: 'more' | 'less',
): Summary | undefined {
  const ratios = own
    .map((value, trial) => value / (other[trial] ?? Number.NaN))
    .filter((ratio) => Number.isFinite(ratio) && ratio > 0)
    .map((ratio) => (better === 'more' ? ratio : 1 / ratio));
  return ratios.length === 0 ? undefined : summary(ratios);
}
