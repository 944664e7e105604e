/**
 * Files that are whole at every moment: whoever reads one, also after a SIGKILL or a loss of power, finds the text before or the
 * text after, never half of one. The new text goes to a file beside it and to the disk, then takes its name, then the folder
 * goes to the disk too (rename(2) is atomic; fsync(2) of the folder makes it last).
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

let written = 0;

function besides(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${written++}.new`);
}

/** For its owner only: configurations hold secrets. */
export async function writeAtomically(path: string, text: string | Uint8Array): Promise<void> {
  const fresh = besides(path);
  try {
    await onDisk(fresh, 'wx', (file) => file.writeFile(text));
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  await onDisk(dirname(path), 'r', async () => undefined);
}

/** The same before it returns, for what is small and must be in order. */
export function writeAtomicallySync(path: string, text: string): void {
  const fresh = besides(path);
  try {
    onDiskSync(fresh, 'wx', (file) => writeFileSync(file, text));
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
  onDiskSync(dirname(path), 'r', () => undefined);
}

function onDiskSync(path: string, flags: string, use: (file: number) => void): void {
  const file = openSync(path, flags, 0o600);
  try {
    use(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

type File = Awaited<ReturnType<typeof open>>;

async function onDisk(path: string, flags: string, use: (file: File) => Promise<void>) {
  const file = await open(path, flags, 0o600);
  try {
    await use(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Removes what writers of the file left that were killed; only where nobody else writes. */
export function sweepUnfinished(path: string): void {
  sweep(dirname(path), `.${basename(path)}.`);
}

/** Likewise of all files of a folder. */
export function sweepFolder(folder: string): void {
  sweep(folder, '.');
}

function sweep(folder: string, beginning: string): void {
  const left = readdirSync(folder).filter(
    (name) => name.startsWith(beginning) && name.endsWith('.new'),
  );
  for (const name of left) {
    rmSync(join(folder, name), { force: true });
  }
}
