/** The final table of the demo: what the clients sent and received beside what the switch counted. */
import { totalDrops } from '../counters.js';
import type { Switch } from '../switch.js';
import type { Load, LoadReport } from './load.js';
import { number, table } from './table.js';

export interface Proof {
  text: string;
  balanced: boolean;
}

export function balance(sw: Switch, loads: Load[], reports: LoadReport[]): Proof {
  const rows = loads.map(({ name }, index) => {
    const { sent = 0, received = 0, invalid = 0 } = reports[index] ?? {};
    const { rx, tx, ...port } = sw.port(name);
    return {
      port: name,
      'client sent': sent,
      'switch rx': rx.frames,
      'switch tx': tx.frames,
      'client received': received,
      'switch drops': totalDrops(port),
      invalid,
    };
  });
  const sum = (column: keyof (typeof rows)[number]) =>
    rows.reduce((total, row) => total + BigInt(row[column]), 0n);
  const [sent, received] = [sum('client sent'), sum('client received')];
  const balanced =
    reports.every(({ final }) => final) &&
    sent > 0n &&
    sent === sum('switch rx') &&
    sent === sum('switch tx') &&
    sent === received &&
    sum('switch drops') === 0n &&
    sum('invalid') === 0n;
  const line = balanced
    ? `nothing lost: ${number(sent)} sent = ${number(received)} received`
    : `it does not balance: ${number(sent)} sent, ${number(received)} received`;
  return { text: `${table(rows)}\n\n${line}`, balanced };
}
