/** How a command says that it failed: one line for each thing that is wrong, and exit status 1. */
import { SwitchError } from '../errors.js';

export function fail(error: unknown): 1 {
  const text =
    error instanceof SwitchError ? error.message : ((error as Error).stack ?? String(error));
  process.stderr.write(`${text.replaceAll(/^/gm, 'memswitch: ')}\n`);
  return 1;
}
