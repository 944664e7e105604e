/** What the API answers when it refuses or fails. */
import { type ErrorCode, SwitchError } from '../errors.js';

const statuses: Record<ErrorCode, number> = {
  INVALID: 400,
  NOT_FOUND: 404,
  EXISTS: 409,
  IN_USE: 409,
  LIMIT: 409,
  PERMISSION: 403,
  CLOSED: 503,
  UNREACHABLE: 502,
  BUSY: 429,
  DENIED: 401,
  SYSTEM: 500,
};

export function failureOf(error: unknown): { status: number; body: object } {
  if (error instanceof SwitchError) {
    const { code, message, path, mistakes } = error;
    const told = { code, message, path, ...(mistakes.length > 0 && { mistakes }) };
    return { status: statuses[code], body: { error: told } };
  }
  const { statusCode: status = 500, message } = error as Error & { statusCode?: number };
  const code = status === 429 ? 'BUSY' : status < 500 ? 'INVALID' : 'SYSTEM';
  return { status, body: { error: { code, message } } };
}
