/**
 * The file beside the state that keeps learned addresses. They are a comfort: without them frames are flooded until everybody has
 * spoken. So they are written every few seconds rather than with each change, and a file that is damaged is told and no more.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SwitchError } from '../errors.js';
import { sweepUnfinished, writeAtomically } from './atomic-file.js';
import type { LearnedAddresses } from './learned.js';

const everyMs = 10_000;

export class LearnedStore {
  readonly #path: string;
  readonly #learned: LearnedAddresses;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  /** @param folder the state's, which is there. */
  constructor(folder: string, learned: LearnedAddresses) {
    this.#path = join(folder, 'learned');
    this.#learned = learned;
    sweepUnfinished(this.#path);
  }

  /** @throws {SwitchError} `INVALID` when the file is damaged. */
  restore(): void {
    if (!existsSync(this.#path)) {
      return;
    }
    try {
      this.#learned.unpack(readFileSync(this.#path));
    } catch (cause) {
      const what = `${this.#path}: ${(cause as Error).message.split('\n')[0]}`;
      const hint = 'addresses are learned anew';
      throw new SwitchError('INVALID', what, { path: this.#path, hint, cause });
    }
  }

  /** @param failed told why a write failed; the next one may succeed. */
  begin(failed: (error: unknown) => void): void {
    this.#timer = setInterval(() => {
      this.#writing ??= this.#write()
        .catch(failed)
        .finally(() => {
          this.#writing = undefined;
        });
    }, everyMs);
  }

  /** @param last writes them a last time. */
  async end(last: boolean): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    if (last) {
      await this.#write();
    }
  }

  #write(): Promise<void> {
    return writeAtomically(this.#path, this.#learned.pack());
  }
}
