/** CPUs that workers can be pinned to. */
import { readFileSync } from 'node:fs';

/** As the kernel writes it, for example `0-3,8`. */
export function onlineCpus(): string {
  return readFileSync('/sys/devices/system/cpu/online', 'utf8').trim();
}

export function includesCpu(list: string, cpu: number): boolean {
  return list.split(',').some((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return first <= cpu && cpu <= last;
  });
}
