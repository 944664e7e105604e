/** Huge pages of 2 MB: DPDK's switches are measured with them, as their users run them. */
import { readFileSync, writeFileSync } from 'node:fs';

const pool = '/proc/sys/vm/nr_hugepages';

function count(name: 'HugePages_Total' | 'HugePages_Free'): number {
  const line = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'));
  return Number(line?.[1] ?? 0);
}

export function freeHugePages(): number {
  return count('HugePages_Free');
}

/** Makes that many free pages, as far as this machine can and we may; returns what gives them back. */
export function reserveHugePages(wanted: number): () => void {
  const before = count('HugePages_Total');
  const lacking = wanted - freeHugePages();
  if (lacking <= 0 || process.getuid?.() !== 0) {
    return () => undefined;
  }
  writeFileSync(pool, String(before + lacking));
  return () => {
    // Others may have asked for pages meanwhile.
    writeFileSync(pool, String(Math.max(before, count('HugePages_Total') - lacking)));
  };
}
