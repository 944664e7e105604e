/** The differences between a switch and a configuration, as people read them: one line each, and a sum. */
import type { Change } from '../config/difference.js';
import { type Colour, paint } from './colour.js';

const signs: Record<Change['action'], [sign: string, colour: Colour]> = {
  add: ['+', 'green'],
  change: ['~', 'yellow'],
  replace: ['!', 'red'],
  remove: ['-', 'red'],
};

export function describeChanges(changes: readonly Change[], dryRun: boolean): string {
  const lines = changes.map(({ action, what, name, details }) => {
    const why = details.length > 0 ? `: ${details.join(', ')}` : '';
    const [sign, colour] = signs[action];
    return paint(colour, `${sign} ${what} ${name}${why}`);
  });
  return [...lines, summary(changes, dryRun)].join('\n');
}

function summary(changes: readonly Change[], dryRun: boolean): string {
  if (changes.length === 0) {
    return 'nothing to change';
  }
  const count = (wanted: Change['action']) =>
    changes.filter(({ action }) => action === wanted).length;
  const counts = `${count('add')} added, ${count('change')} changed, ${count('replace')} replaced, ${count('remove')} removed`;
  return dryRun ? `would be: ${counts}; nothing was done` : counts;
}
