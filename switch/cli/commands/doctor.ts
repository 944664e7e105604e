import type { Command } from 'commander';
import { doctor, type Finding } from '../../doctor.js';
import { withExamples } from '../options.js';

export function configure(command: Command): void {
  withExamples(command, ['memswitch doctor', 'memswitch doctor --json'])
    .description('Says what this host lacks for ports over devices, and what mends it')
    .option('-j, --json', 'prints an array of findings')
    .action(print);
}

function print({ json = false }: { json?: boolean }): void {
  const findings = doctor();
  const text = json ? JSON.stringify(findings) : findings.map(tell).join('\n');
  process.stdout.write(`${text}\n`);
  process.exitCode = findings.some(({ level }) => level === 'lacks') ? 1 : 0;
}

function tell({ subject, level, found, mend }: Finding): string {
  const line = `${level.padEnd(5)} ${subject}: ${found}`;
  return mend === '' ? line : `${line}\n      → ${mend}`;
}
