/**
 * Files that are whole at every moment: whoever reads one, also after a SIGKILL or a loss of power, finds the text before or the
 * text after, never half of one. The new text goes to a file beside it and to the disk, then takes its name, then the folder
 * goes to the disk too (rename(2) is atomic; fsync(2) of the folder makes it last).
 */
import { readdirSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

let written = 0;

/** For its owner only: configurations hold secrets. */
export async function writeAtomically(path: string, text: string | Uint8Array): Promise<void> {
  const fresh = join(dirname(path), `.${basename(path)}.${process.pid}.${written++}.new`);
  try {
    await onDisk(fresh, 'wx', (file) => file.writeFile(text));
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  await onDisk(dirname(path), 'r', async () => undefined);
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

/** Removes what writers left that were killed; only where nobody else writes. */
export function sweepUnfinished(path: string): void {
  const left = readdirSync(dirname(path)).filter(
    (name) => name.startsWith(`.${basename(path)}.`) && name.endsWith('.new'),
  );
  for (const name of left) {
    rmSync(join(dirname(path), name), { force: true });
  }
}
