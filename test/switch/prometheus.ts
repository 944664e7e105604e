/**
 * Checks text in Prometheus' format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats) by the rules that
 * `promtool check metrics` has: names, types, help, labels, values, groups, duplicates, histograms.
 */

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

interface Family {
  name: string;
  type: string;
  help: string;
  samples: Sample[];
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([+-]?(?:\d[\d.]*(?:e[+-]?\d+)?|Inf)|NaN)$/;
/** A label's value has its backslashes, quotes and line ends escaped. */
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  label.lastIndex = 0;
  while (label.lastIndex < text.length) {
    const at = label.lastIndex;
    const [, name = '', value = ''] = label.exec(text) ?? [];
    if (name === '' || name in labels || name.startsWith('__')) {
      throw new Error(`bad or repeated label in {${text}} at ${at}`);
    }
    labels[name] = value.replaceAll(/\\(.)/g, (_, letter) => (letter === 'n' ? '\n' : letter));
  }
  return labels;
}

/** Every metric of the text by its name; throws at what the format does not allow. */
export function parseMetrics(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let family: Family | undefined;
  if (!text.endsWith('\n')) {
    throw new Error('the last line has no end');
  }
  for (const each of text.split('\n').filter((one) => one !== '')) {
    const head = /^# (HELP|TYPE) (\S+) (.+)$/.exec(each);
    if (head) {
      const [, what, name = '', rest = ''] = head;
      if (family?.name !== name || what === 'HELP') {
        if (families.has(name)) {
          throw new Error(`${name} stands in two places`);
        }
        family = { name, type: '', help: '', samples: [] };
        families.set(name, family);
      }
      family[what === 'HELP' ? 'help' : 'type'] = rest;
      continue;
    }
    const [, name = '', labels = '', value = ''] = line.exec(each) ?? [];
    if (!family || !belongs(name, family)) {
      throw new Error(`no sample of ${family?.name}: ${each}`);
    }
    family.samples.push({
      name,
      labels: labelsOf(labels),
      value: Number(value.replace('Inf', 'Infinity')),
    });
  }
  return families;
}

function belongs(name: string, { name: family, type }: Family): boolean {
  return type === 'histogram'
    ? [`${family}_bucket`, `${family}_sum`, `${family}_count`].includes(name)
    : name === family;
}

/** What promtool would complain about; empty: nothing. */
export function lintMetrics(text: string): string[] {
  return [...parseMetrics(text).values()].flatMap((family) => [
    ...lintNames(family),
    ...lintSamples(family),
    ...(family.type === 'histogram' ? lintHistogram(family) : []),
  ]);
}

function lintNames({ name, type, help, samples }: Family): string[] {
  const complaints: [boolean, string][] = [
    [!metricName.test(name) || name !== name.toLowerCase(), 'is no snake_case name'],
    [help === '', 'has no HELP'],
    [!['counter', 'gauge', 'histogram'].includes(type), `has the type "${type}"`],
    [(type === 'counter') !== name.endsWith('_total'), 'ends in _total, or is a counter'],
    [/_(milliseconds|ms|kilobytes|bits|count|sum|bucket)(_total)?$/.test(name), 'has an odd unit'],
    [name.includes(`_${type}`), 'has its type in its name'],
    [samples.some(({ labels }) => 'le' in labels) && type !== 'histogram', 'has le'],
  ];
  return complaints.filter(([wrong]) => wrong).map(([, what]) => `${name} ${what}`);
}

function lintSamples({ name, type, samples }: Family): string[] {
  const seen = new Set<string>();
  return samples.flatMap((sample) => {
    const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
    const twice = seen.has(key);
    seen.add(key);
    const negative = type !== 'gauge' && !(sample.value >= 0);
    return [
      ...(twice ? [`${name} has ${key} twice`] : []),
      ...(negative || Number.isNaN(sample.value) ? [`${name} has ${key} = ${sample.value}`] : []),
    ];
  });
}

/** Buckets rise, the last is +Inf and holds as many as the count. */
function lintHistogram({ name, samples }: Family): string[] {
  const groups = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...rest } = sample.labels;
    const key = JSON.stringify(rest);
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  return [...groups].flatMap(([labels, group]) => {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le = '' } }) => Number(le.replace('+Inf', 'Infinity')));
    const counts = buckets.map(({ value }) => value);
    const rises = (values: number[]) =>
      values.every((value, i) => i === 0 || value >= (values[i - 1] ?? 0));
    const count = group.find((sample) => sample.name === `${name}_count`)?.value;
    const good =
      rises(bounds) && rises(counts) && bounds.at(-1) === Infinity && counts.at(-1) === count;
    return good ? [] : [`${name}${labels} is no histogram`];
  });
}
