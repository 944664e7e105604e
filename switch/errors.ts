/**
 * The one error class of memswitch. Its message says what failed, where, and what to do; its code is for programs.
 */
import type { NativeError } from './native.js';

/**
 * - `INVALID`: an option or a configuration has mistakes; see `mistakes`.
 * - `NOT_FOUND`: no port, bridge or address of that name.
 * - `EXISTS`: the name is taken.
 * - `IN_USE`: a socket that someone else serves, or a bridge that still has ports.
 * - `LIMIT`: a bound of this build or of a bridge is met.
 * - `PERMISSION`: the operating system refuses.
 * - `CLOSED`: the switch was closed.
 * - `UNREACHABLE`: no daemon answers at the API's socket.
 * - `BUSY`: the API has more to do than it takes on; later it may.
 * - `DENIED`: the API over TCP wants its token.
 * - `SYSTEM`: the operating system failed in another way; see `cause`.
 */
export type ErrorCode = NativeError['code'] | 'UNREACHABLE' | 'BUSY' | 'DENIED';

/** One mistake in options or a configuration. */
export interface Mistake {
  /** Where, for example `ports.web.ringSize`; empty for the whole. */
  path: string;
  /** What is wrong with it, for example `must be a power of two from 2 to 16384, got 1000`. */
  message: string;
}

export interface ErrorDetails {
  port?: string | undefined;
  path?: string | undefined;
  mistakes?: readonly Mistake[] | undefined;
  hint?: string | undefined;
  cause?: unknown;
}

/** Everything that memswitch throws. */
export class SwitchError extends Error {
  readonly code: ErrorCode;
  /** The port concerned, where it is one port. */
  readonly port: string | undefined;
  /** The option, file or socket concerned. */
  readonly path: string | undefined;
  /** With code `INVALID`: every mistake found. */
  readonly mistakes: readonly Mistake[];
  /** What to do about it; also the end of the message. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    const { port, path, mistakes = [], hint, cause } = details;
    super(hint ? `${what}; ${hint}` : what, cause === undefined ? {} : { cause });
    this.name = 'SwitchError';
    this.code = code;
    this.port = port;
    this.path = path;
    this.mistakes = mistakes;
    this.hint = hint;
  }
}

/** An `INVALID` error that tells every mistake, one a line. */
export function invalid(mistakes: readonly Mistake[], details: ErrorDetails = {}): SwitchError {
  const lines = mistakes.map(({ path, message }) => (path ? `${path}: ${message}` : message));
  return new SwitchError('INVALID', lines.join('\n'), {
    path: mistakes[0]?.path || undefined,
    ...details,
    mistakes,
  });
}

export function notFound(
  what: 'port' | 'bridge' | 'address' | 'attachment' | 'mirror',
  name: string,
  known: Iterable<string>,
) {
  const list = [...known].slice(0, 10).join(', ');
  const hint = list && `known: ${list}`;
  return new SwitchError('NOT_FOUND', `${what} "${name}" does not exist`, { hint });
}

const hints: Record<NativeError['code'], string | undefined> = {
  INVALID: undefined,
  NOT_FOUND: undefined,
  EXISTS: undefined,
  IN_USE: 'choose another, or end the process that uses it',
  LIMIT: 'remove some first',
  PERMISSION: 'run as a user that may do this, or choose a path of your own',
  CLOSED: 'start a new one',
  SYSTEM: undefined,
};

function isNative(error: unknown): error is NativeError {
  return error instanceof Error && 'code' in error && String(error.code) in hints;
}

/** Runs a call into native code and gives its failure a place and a hint. */
export function nativeCall<T>(where: string, call: () => T, details: ErrorDetails = {}): T {
  try {
    return call();
  } catch (cause) {
    if (!isNative(cause)) {
      throw cause;
    }
    const hint = hints[cause.code];
    throw new SwitchError(cause.code, `${where}: ${cause.message}`, { hint, ...details, cause });
  }
}
