/**
 * Checks that options of several kinds share. A message says what the value must be; where it stands and what
 * was found instead is added when a mistake is told (switch/config/mistakes.ts).
 */
import { z } from 'zod';

export function integer(min: number, max: number) {
  const error = `must be an integer from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

export function powerOfTwo(min: number, max: number) {
  const error = `must be a power of two from ${min} to ${max}`;
  return z
    .int({ error })
    .min(min, { error })
    .max(max, { error })
    .refine((value) => (value & (value - 1)) === 0, { error });
}

/** Text that native code keeps in a field of a fixed size, as UTF-8 without NUL. */
export function text(maxBytes: number) {
  const error = `must be text of at most ${maxBytes} bytes`;
  return z
    .string({ error })
    .max(maxBytes, { error })
    .refine((value) => Buffer.byteLength(value) <= maxBytes && !value.includes('\0'), { error });
}

export function flag() {
  return z.boolean({ error: 'must be true or false' });
}

export function oneOf<const T extends readonly string[]>(values: T) {
  return z.enum(values, { error: `must be one of: ${values.join(', ')}` });
}

/** How a worker waits for frames. */
export const polling = oneOf(['busy', 'adaptive', 'interrupt']);
/** A network namespace, as native code takes it. */
export const netns = z.union([z.string().min(1), z.int().min(1).transform(String)], {
  error: 'must be a name as of `ip netns`, a path or a process id',
});

const interfaceError = 'must be the name of an interface, at most 15 characters';

/** Of the kernel; `%` would make it a pattern. */
export const interfaceName = z
  .string({ error: interfaceError })
  .regex(/^(?!\.{1,2}$)[^\s/:,%]{1,15}$/, { error: interfaceError });

const stationError = 'must be the address of one station, such as 02:00:00:00:00:01';

/** A MAC address that one station can have, with colons: not a group's, not zero. */
export const station = z
  .string({ error: stationError })
  .regex(/^(?!(00:){5}00$)[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i, { error: stationError });

/** The same as native code has it, first byte highest. */
export function stationNumber(mac: string): bigint {
  return BigInt(`0x${mac.replaceAll(':', '')}`);
}

/** Name of a bridge or a port: it stands in tables, labels of metrics and paths of the API. */
export const name = z
  .string({ error: 'must be a name' })
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, {
    error: 'must be a name of 1 to 63 letters, digits, ".", "_" or "-", a letter or digit first',
  });
