/** Results as a chart, drawn by vega: rates with their ranges, and latency as a histogram. */
import type { Results } from '../results.js';

/** SVG text. Vega comes with the development packages: only who draws needs it. */
export async function chart(results: Results): Promise<string> {
  const [{ parse, View }, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  const { spec } = compile(specification(results));
  return new View(parse(spec), { renderer: 'none' }).toSVG();
}

type Specification = Parameters<typeof import('vega-lite').compile>[0];

function specification(results: Results): Specification {
  const { machine, commit, date } = results;
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: {
      text: 'memswitch and its peers: one core switches, one core loads',
      subtitle: `${machine.cpu}, Linux ${machine.kernel}, ${commit} ${date.slice(0, 10)}; bars: medians, whiskers: ranges`,
    },
    background: 'white',
    vconcat: [rates(results), latencies(results)].filter((part) => part !== undefined),
  } as Specification;
}

function rates({ results }: Results): object | undefined {
  const values = results
    .filter(({ unit, metric }) => unit === 'Mpps' && metric !== 'carried')
    .flatMap(({ scenario, variant, figures }) =>
      figures.map(({ contender, median, low, high }) => ({
        group: `${scenario} ${variant}`,
        contender,
        median,
        low,
        high,
      })),
    );
  if (values.length === 0) {
    return undefined;
  }
  const y = { field: 'group', type: 'nominal', sort: null, title: null };
  const yOffset = { field: 'contender', sort: null };
  return {
    data: { values },
    width: 600,
    height: { step: 9 },
    layer: [
      {
        mark: 'bar',
        encoding: {
          y,
          yOffset,
          x: { field: 'median', type: 'quantitative', title: 'million frames a second' },
          color: { field: 'contender', type: 'nominal', sort: null, title: null },
        },
      },
      {
        mark: { type: 'rule', color: 'black' },
        encoding: { y, yOffset, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
      },
    ],
  };
}

function latencies({ histograms }: Results): object | undefined {
  const values = histograms.flatMap(({ scenario, variant, contender, buckets }) => {
    const all = buckets.reduce((sum, [, frames]) => sum + frames, 0);
    return buckets.map(([bound, frames]) => ({
      group: `${scenario} ${variant}`,
      contender,
      microseconds: Math.max(bound, 1) / 1000,
      share: (100 * frames) / all,
    }));
  });
  if (values.length === 0) {
    return undefined;
  }
  return {
    data: { values },
    facet: { row: { field: 'group', type: 'nominal', sort: null, title: null } },
    spec: {
      width: 600,
      height: 120,
      mark: { type: 'line', interpolate: 'step-after' },
      encoding: {
        x: {
          field: 'microseconds',
          type: 'quantitative',
          scale: { type: 'log' },
          title: 'latency, µs',
        },
        y: { field: 'share', type: 'quantitative', title: '% of frames' },
        color: { field: 'contender', type: 'nominal', sort: null, title: null },
      },
    },
  };
}
