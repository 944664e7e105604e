/** The differences between a switch and a configuration, as people read them: one line each, and a sum. */
import type { Change } from '../config/difference.js';

const signs: Record<Change['action'], string> = {
  add: '+',
  change: '~',
  replace: '!',
  remove: '-',
};

export function describeChanges(changes: readonly Change[], dryRun: boolean): string {
  const lines = changes.map(({ action, what, name, details }) => {
    const why = details.length > 0 ? `: ${details.join(', ')}` : '';
    return `${signs[action]} ${what} ${name}${why}`;
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
