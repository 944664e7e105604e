/**
 * `npm run bench:instructions`: counts, and compares with what is committed; exit status 1 when something is worse.
 *
 *   npm run bench:instructions -- --update      commits the new figures to bench/instructions.json instead
 */
import { parseArgs } from 'node:util';
import { changes, commit, committed, complaints, count } from './instructions.js';

const { values } = parseArgs({ options: { update: { type: 'boolean', default: false } } });

function show(line: string): void {
  process.stdout.write(`${line}\n`);
}

const now = await count((name, figure) =>
  show(`${name.padEnd(36)} ${figure.toFixed(1).padStart(7)} instructions a frame`),
);
if (values.update) {
  commit(now);
} else {
  const before = committed();
  for (const { name, change } of changes(before, now)) {
    const percent = (change * 100).toFixed(1);
    show(
      `${name.padEnd(36)} ${(change < 0 ? percent : `+${percent}`).padStart(7)} % since it was committed`,
    );
  }
  if (before.tools !== now.tools) {
    show(`committed with ${before.tools}, counted with ${now.tools}: the difference may be theirs`);
  }
  const worse = complaints(before, now);
  for (const complaint of worse) {
    process.stderr.write(`${complaint}\n`);
  }
  if (worse.length > 0) {
    process.stderr.write('if it is worth it: npm run bench:instructions -- --update\n');
    process.exitCode = 1;
  }
}
