/** Huge pages, borrowed from the host for a test. */
import { readFileSync, writeFileSync } from 'node:fs';

const wish = '/proc/sys/vm/nr_hugepages';

const count = (field: string) =>
  Number(new RegExp(`^${field}: +(\\d+)`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]);

/** Makes so many free; returns what puts back the host's number. Undefined: the host has none to give. */
export function borrowHugePages(pages: number): (() => void) | undefined {
  const before = count('HugePages_Total');
  const wanting = pages - count('HugePages_Free');
  const putBack = () => writeFileSync(wish, `${before}`);
  try {
    if (wanting > 0) {
      writeFileSync(wish, `${before + wanting}`);
    }
  } catch {
    return undefined;
  }
  if (count('HugePages_Free') < pages) {
    putBack();
    return undefined;
  }
  return wanting > 0 ? putBack : () => undefined;
}
