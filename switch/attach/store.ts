/** Records that survive their process: one file each, replaced as a whole, so that a crash leaves the old one or the new one. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sweepFolder, writeAtomicallySync } from '../state/atomic-file.js';

const ending = '.json';

/** Keys are names of files: letters, digits, `.`, `_` and `-`. The folder is made with the first record. */
export class Store<T> {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  put(key: string, record: T): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    writeAtomicallySync(this.#path(key), JSON.stringify(record, null, 1));
  }

  /** One that is not there is no error. */
  remove(key: string): void {
    rmSync(this.#path(key), { force: true });
  }

  /** What cannot be read is left where it is and told to `damaged`. */
  all(damaged: (path: string, why: Error) => void): Map<string, T> {
    const records = new Map<string, T>();
    for (const name of this.#names()) {
      const path = join(this.folder, name);
      try {
        records.set(name.slice(0, -ending.length), JSON.parse(readFileSync(path, 'utf8')) as T);
      } catch (error) {
        damaged(path, error as Error);
      }
    }
    return records;
  }

  #names(): string[] {
    try {
      sweepFolder(this.folder);
      return readdirSync(this.folder).filter((name) => name.endsWith(ending));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        return [];
      }
      throw error;
    }
  }

  #path(key: string): string {
    return join(this.folder, `${key}${ending}`);
  }
}
