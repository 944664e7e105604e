/** What a host lacks or refuses, in the codes of native errors: whoever called gives it a place (switch/errors.ts). */
import type { NativeError } from '../switch/native.js';

export class HostError extends Error implements NativeError {
  readonly code: NativeError['code'];

  constructor(code: NativeError['code'], message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
  }
}

/** A failed call to the operating system, with what was tried. */
export function hostFailure(what: string, cause: unknown): HostError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const forbidden = code === 'EACCES' || code === 'EPERM';
  return new HostError(forbidden ? 'PERMISSION' : 'SYSTEM', `${what}: ${message}`, cause);
}
