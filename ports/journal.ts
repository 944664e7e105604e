/**
 * Which devices this process took from their drivers, so that they get them back: when the port goes, and, if the process
 * died first, when the next one starts. One small file a device, made before the device is touched.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostFailure } from './host-error.js';
import { bind, driverOf, pathOf } from './pci.js';

/** Only root can bind drivers. */
const folder = '/run/memswitch/devices';

interface Entry {
  address: string;
  /** '' = none. */
  driver: string;
  pid: number;
  /** When the process started, in ticks: its number alone may be another's by now. */
  started: string;
}

/** Field 22 of /proc/PID/stat (proc(5)); the name in field 2 may hold spaces and brackets. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function fileOf(address: string): string {
  return join(folder, `${address}.json`);
}

/** Notes that the device's driver is to be put back. */
export function note(address: string): void {
  const { pid } = process;
  const entry: Entry = { address, driver: driverOf(address), pid, started: startOf(pid) ?? '' };
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(fileOf(address), JSON.stringify(entry));
  } catch (cause) {
    throw hostFailure(`write ${fileOf(address)}`, cause);
  }
}

/** Puts back what was noted of a device, if it was. */
export function restore(address: string): void {
  const file = fileOf(address);
  if (!existsSync(file)) {
    return;
  }
  const { driver } = JSON.parse(readFileSync(file, 'utf8')) as Entry;
  // Gone, or already taken back by somebody: nothing is ours any more.
  if (existsSync(pathOf(address)) && ['vfio-pci', ''].includes(driverOf(address))) {
    bind(address, driver, false);
  }
  rmSync(file, { force: true });
}

/** Puts back what processes left that have died. */
export function restoreAbandoned(): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    try {
      const entry = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Entry;
      if (startOf(entry.pid) !== entry.started) {
        restore(entry.address);
      }
    } catch {
      // Half written, or of a device that is in trouble: not a reason against starting.
    }
  }
}
