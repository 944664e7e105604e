/** MAC addresses: text for people (`02:00:00:00:00:01`), 48 bits in a bigint for native code, first byte highest. */
import { z } from 'zod';

const error = 'must be a MAC address such as 02:00:00:00:00:01';
const pattern = /^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$/;

export const macSchema = z.string({ error }).regex(pattern, { error, abort: true });

/** An address that one station can have: not a group's, not zero. */
export const stationSchema = macSchema.refine(
  (mac) => (parseMac(mac) & (1n << 40n)) === 0n && parseMac(mac) !== 0n,
  { error: 'must be the address of one station, neither a group nor zero' },
);

/** Expects text that `macSchema` took. */
export function parseMac(mac: string): bigint {
  return BigInt(`0x${mac.replaceAll(/[:-]/g, '')}`);
}

export function formatMac(mac: bigint): string {
  return (mac.toString(16).padStart(12, '0').match(/../g) ?? []).join(':');
}
