/** Results as Markdown tables, for people. */
import type { Figure, Result, Results } from '../results.js';
import type { Scenario } from '../scenario.js';
import { verdicts } from './targets.js';

export function markdown(results: Results, scenarios: Scenario[]): string {
  const { machine, commit, versions, options } = results;
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const gib = Math.round(machine.memoryBytes / 2 ** 30);
  const kind = machine.virtual ? ', virtual' : '';
  const head = [
    `${machine.cpu}, ${machine.cpus} CPUs, ${gib} GiB${kind}; Linux ${machine.kernel}; commit ${commit || 'unknown'}`,
    `${programs.join(', ')}`,
    `${options.trials} trials of ${options.seconds} s in turn; median (range), and × how many times better the first is: median (range) of neighbours`,
  ];
  const sections = scenarios
    .map((scenario) => section(scenario, results))
    .filter((text) => text !== '');
  const parts = [head.join('  \n'), ...sections, targets(results), without(results)];
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

function targets(results: Results): string {
  const rows = verdicts(results).map(({ target, reached }) =>
    reached === undefined
      ? line([target, '–', 'not measured'])
      : line([
          target,
          `${digits(reached.median)} (${digits(reached.low)}–${digits(reached.high)})`,
          reached.met ? 'met' : '**missed**',
        ]),
  );
  const head = ['### Targets', '', line(['target', 'reached', '']), line(['---', '---:', '---'])];
  return rows.length === 0 ? '' : [...head, ...rows].join('\n');
}

function section({ name, what }: Scenario, { results }: Results): string {
  const rows = results.filter(({ scenario, figures }) => scenario === name && figures.length > 0);
  if (rows.length === 0) {
    return '';
  }
  const contenders = [
    ...new Set(rows.flatMap(({ figures }) => figures.map(({ contender }) => contender))),
  ];
  const lines = [
    `### ${name}: ${what}`,
    '',
    line(['', ...contenders]),
    line(['---', ...contenders.map(() => '---:')]),
    ...rows.map((row) => line([title(row), ...contenders.map((who) => cell(row, who))])),
  ];
  return lines.join('\n');
}

function title({ variant, metric, unit }: Result): string {
  const size = /^\d+$/.test(variant) ? `${variant} B` : variant === 'imix' ? 'IMIX' : variant;
  return `${size}, ${metric}, ${unit}`;
}

function cell({ figures }: Result, contender: string): string {
  const figure = figures.find((candidate) => candidate.contender === contender);
  return figure === undefined ? '–' : `${range(figure)}${ratio(figure)}`;
}

function range({ median, low, high, samples }: Figure): string {
  return samples.length === 1
    ? digits(median)
    : `${digits(median)} (${digits(low)}–${digits(high)})`;
}

function ratio({ ratio: of, samples }: Figure): string {
  if (of === undefined) {
    return '';
  }
  const spread = samples.length === 1 ? '' : ` (${digits(of.low)}–${digits(of.high)})`;
  return ` **×${digits(of.median)}**${spread}`;
}

/** Three that count. */
function digits(value: number): string {
  const places = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(places);
}

function without({ skipped }: Results): string {
  const reasons = new Map<string, string[]>();
  for (const { scenario, contender, why } of skipped) {
    const key = `${contender}: ${why}`;
    reasons.set(key, [...(reasons.get(key) ?? []), scenario]);
  }
  const lines = [...reasons].map(([why, names]) => `- ${why} (${names.join(', ')})`);
  return lines.length === 0 ? '' : ['Left out:', '', ...lines].join('\n');
}

function line(cells: string[]): string {
  return `| ${cells.join(' | ')} |`;
}
