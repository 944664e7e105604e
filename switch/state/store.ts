/**
 * What outlives a restart: the configuration that was applied last, with what was changed live since, and what was added live
 * beside it. One file in a folder that only one daemon uses.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type Configuration, checkConfiguration } from '../config/check.js';
import type { Running } from '../config/difference.js';
import { SwitchError } from '../errors.js';
import { sweepUnfinished, writeAtomically } from './atomic-file.js';

export interface State {
  /** SHA-256 of the configuration file that was read last; null: none was. */
  file: string | null;
  /** What configurations brought, as it is now. */
  applied: Configuration;
  /** What was added by other ways. */
  live: Running;
}

const address = z.strictObject({
  bridge: z.string(),
  mac: z.string(),
  port: z.string(),
  remote: z.string().optional(),
});

/** Options of bridges and ports are checked when they are put to use. */
const shape = z.strictObject({
  version: z.literal(1),
  file: z.string().nullable(),
  applied: z.unknown(),
  live: z.strictObject({
    bridges: z.record(z.string(), z.looseObject({})),
    ports: z.record(z.string(), z.looseObject({ kind: z.string() })),
    statics: z.array(address),
    mirrors: z.record(z.string(), z.looseObject({})).default({}),
  }),
});

/** As it is kept. */
export function stateText(state: State): string {
  return `${JSON.stringify({ version: 1, ...state })}\n`;
}

/** @throws when it is damaged. */
export function parseState(text: string): State {
  const { file, applied, live } = shape.parse(JSON.parse(text));
  return { file, applied: checkConfiguration(applied), live: live as unknown as Running };
}

export class StateStore {
  readonly #path: string;
  /** The write that runs or ran last, and the one after it. */
  #current: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;

  /** @throws {SwitchError} `PERMISSION` or `SYSTEM` when the folder cannot be made or used. */
  constructor(folder: string) {
    this.#path = join(folder, 'state.json');
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      sweepUnfinished(this.#path);
    } catch (cause) {
      throw unusable(folder, cause);
    }
  }

  /** Undefined where there is none yet. */
  load(): State | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
        return undefined;
      }
      throw unusable(this.#path, cause);
    }
    try {
      return parseState(text);
    } catch (cause) {
      const what = `${this.#path}: ${(cause as Error).message.split('\n')[0]}`;
      throw new SwitchError('INVALID', what, {
        path: this.#path,
        hint: 'mend or remove the file; without it the switch starts from its configuration',
        cause,
      });
    }
  }

  /** Resolves when the state, as it is now or later, is on the disk. Saves that come while one is written share the next. */
  save(state: () => State): Promise<void> {
    this.#queued ??= this.#current
      .catch(() => undefined)
      .then(() => {
        this.#queued = undefined;
        this.#current = this.#write(state());
        return this.#current;
      });
    return this.#queued;
  }

  async #write(state: State): Promise<void> {
    try {
      await writeAtomically(this.#path, stateText(state));
    } catch (cause) {
      throw unusable(this.#path, cause);
    }
  }
}

function unusable(path: string, cause: unknown): SwitchError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const refused = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return new SwitchError(refused ? 'PERMISSION' : 'SYSTEM', `state in ${path}: ${message}`, {
    path,
    hint: 'name another folder with --state',
    cause,
  });
}
