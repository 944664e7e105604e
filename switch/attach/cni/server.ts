/**
 * The daemon's side of the CNI plugin: each connection is one call. A call whose plugin has died is carried on as far as it goes
 * without it; what is left has a record, for DEL or GC.
 */

import type { Duplex } from 'node:stream';
import { type ErrorCode, SwitchError } from '../../errors.js';
import type { Switch } from '../../switch.js';
import type { Attachments } from '../attachments.js';
import { latest, readCall } from './call.js';
import { Caller } from './caller.js';
import { type Context, commands } from './commands.js';
import { CniFailure, codes } from './failure.js';
import { Turns } from './turns.js';

/** @param saved called after each command that may have changed something, and awaited before it is answered. */
export function cniServer(
  sw: Switch,
  attachments: Attachments,
  saved: () => Promise<void>,
): (connection: Duplex) => void {
  const turns = new Turns();
  const serve = async (caller: Caller) => {
    const { env, input } = await caller.call();
    let version: string = latest;
    try {
      const call = readCall(env, input);
      version = call.conf.cniVersion;
      const context: Context = { sw, attachments, caller, turns };
      const result = await commands[call.command]?.(call, context);
      await saved();
      caller.answer(0, result);
    } catch (error) {
      caller.answer(1, failureOf(error as Error).toJson(version));
    }
  };
  return (connection) => {
    const caller = new Caller(connection);
    void serve(caller).catch(() => caller.hangUp());
  };
}

const codesOfSwitch: Partial<Record<ErrorCode, number>> = {
  INVALID: codes.config,
  CLOSED: codes.tryLater,
};

function failureOf(error: Error): CniFailure {
  if (error instanceof CniFailure) {
    return error;
  }
  return error instanceof SwitchError
    ? new CniFailure(codesOfSwitch[error.code] ?? codes.refused, error.message)
    : new CniFailure(codes.refused, error.message, error.stack);
}
