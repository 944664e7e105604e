/** Records that survive their process: one file each, replaced as a whole, so that a crash leaves the old one or the new one. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const ending = '.json';

/** Keys are names of files: letters, digits, `.`, `_` and `-`. The folder is made with the first record. */
export class Store<T> {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  put(key: string, record: T): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const path = this.#path(key);
    const next = `${path}.new`;
    const file = openSync(next, 'w', 0o600);
    try {
      writeSync(file, JSON.stringify(record, null, 1));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(next, path);
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
