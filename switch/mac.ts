/**
 * MAC addresses: text for people (`02:00:00:00:00:01`, with a VLAN `02:00:00:00:00:01/100`), 48 bits in a bigint for native
 * code, first byte highest.
 */
import { z } from 'zod';

const error = 'must be a MAC address such as 02:00:00:00:00:01';
const vlan = '(0*[1-9][0-9]{0,2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-4])';
const pattern = new RegExp(`^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}(/${vlan})?$`);

export const macSchema = z.string({ error }).regex(pattern, { error, abort: true });

/** An address that one station can have: not a group's, not zero. */
export const stationSchema = macSchema.refine(
  (mac) => (parseMac(mac) & (1n << 40n)) === 0n && parseMac(mac) !== 0n,
  { error: 'must be the address of one station, neither a group nor zero' },
);

/** Expects text that `macSchema` took. */
export function parseMac(mac: string): bigint {
  return BigInt(`0x${mac.replace(/\/.*/, '').replaceAll(/[:-]/g, '')}`);
}

/** Of such text; 0: it names none. */
export function parseVlan(mac: string): number {
  return Number(mac.split('/')[1] ?? 0);
}

export function formatMac(mac: bigint): string {
  return (mac.toString(16).padStart(12, '0').match(/../g) ?? []).join(':');
}
