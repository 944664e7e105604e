/**
 * Policies of ports: what a port may send and take, beyond what its bridge lets every port do. Ports of every kind have
 * them, and all of them may change on a live port. The native half is native/dataplane/policy.h.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import type { NativePolicy, NativeRate } from '../switch/native.js';
import { flag, integer, station } from './checks.js';

/** Frames and bits a second: a number, or text such as `10k`, `2.5M` or `1G`. At least one of both. */
export interface RateOptions {
  /** 1 to 10^12. */
  frames?: number | string | undefined;
  /** Of frames as they are, without checksum and gap. 1 to 10^12. */
  bits?: number | string | undefined;
  /** How much may come at once: what the rate lets pass in so many milliseconds, 1 to 10,000. Default 100. */
  burst?: number | undefined;
}

export interface PolicyOptions {
  /**
   * In a bridge with `vlans`: the VLAN of this port, whose frames have no tag here. 1 to 4094. Default 1, unless it is a
   * trunk.
   */
  access?: number | null | undefined;
  /**
   * In a bridge with `vlans`: makes the port a trunk, whose frames have the tag of one of these VLANs: numbers, and ranges such as
   * `200-299`. Null: it is none. Default null.
   */
  trunk?: (number | string)[] | null | undefined;
  /** Of a trunk: the VLAN of frames without a tag. Null: those are refused. Default null. */
  native?: number | null | undefined;
  /**
   * Whether the port is private: it exchanges frames only with ports of its bridge that are not isolated. Default false.
   */
  isolated?: boolean | undefined;
  /**
   * Whether all that the port sends goes to the ports of its bridge that are not `vepa`, its uplinks, also what is for another
   * vepa port: a switch behind an uplink may send it back (IEEE Std 802.1Q, virtual Ethernet port aggregator). Default false.
   */
  vepa?: boolean | undefined;
  /**
   * The only addresses that the port may send from. `macs`: of stations; `ips`: addresses, or prefixes such as
   * `192.0.2.0/24`, of IPv4 and IPv6. A list that is not given lets all pass. Also checked: the sender in ARP and Neighbour
   * Discovery. List `fe80::/10` where IPv6 is used. Null: nothing is checked. Default null.
   */
  antiSpoof?: { macs?: string[] | undefined; ips?: string[] | undefined } | null | undefined;
  /**
   * The most that comes in from the port (`rx`) and leaves by it (`tx`); what is more is dropped, not kept waiting. Null: no
   * limit. Default null.
   */
  rateLimit?: { rx?: RateOptions | undefined; tx?: RateOptions | undefined } | null | undefined;
  /**
   * The most frames a second from the port that its bridge floods: broadcast, multicast, unknown unicast, each counted by
   * itself; what is more is dropped. Null: no limit. Default null.
   */
  storm?:
    | {
        broadcast?: number | string | undefined;
        multicast?: number | string | undefined;
        unknown?: number | string | undefined;
      }
    | null
    | undefined;
}

const most = 1e12;
const factors = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
const amountError = 'must be a number from 1 to 10^12 a second, or text such as 10k, 2.5M or 1G';

/** A number of frames or bits a second. */
const amount = z
  .union([z.number(), z.string().regex(/^\d+(\.\d+)?[kMGT]?$/, { error: amountError })], {
    error: amountError,
  })
  .transform((given) => (typeof given === 'number' ? given : amountOf(given)))
  .refine((value) => Number.isInteger(value) && value >= 1 && value <= most, {
    error: amountError,
  });

function amountOf(text: string): number {
  const unit = text.replace(/^[\d.]+/, '') as keyof typeof factors;
  return Math.round(Number.parseFloat(text) * factors[unit]);
}

const oneLimit = z
  .strictObject({
    frames: amount.optional().describe('Frames a second'),
    bits: amount.optional().describe('Bits a second'),
    burst: integer(1, 10_000).default(100).describe('What may come at once, in milliseconds'),
  })
  .refine(({ frames, bits }) => frames !== undefined || bits !== undefined, {
    error: 'must have frames, bits or both',
  });

const prefixError = 'must be an IP address, or a prefix such as 192.0.2.0/24 or fe80::/10';
const prefix = z.string({ error: prefixError }).refine(isPrefix, { error: prefixError });

function isPrefix(text: string): boolean {
  const [, address = '', bits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const width = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return width > 0 && Number(bits ?? 0) <= width;
}

const longest = 1024;
const listError = `must be a list of at most ${longest}`;

const isolated = flag().describe('Whether the port sees only ports that are not isolated');

const vepa = flag().describe(
  'Whether all goes to the ports that are not vepa, to come back from there',
);

const antiSpoof = z
  .strictObject({
    macs: z.array(station, { error: listError }).max(longest, { error: listError }).default([]),
    ips: z.array(prefix, { error: listError }).max(longest, { error: listError }).default([]),
  })
  .refine(({ macs, ips }) => macs.length + ips.length > 0, {
    error: 'must list macs, ips or both',
  })
  .nullable()
  .describe('The only addresses that the port may send from; null = any');

const rateLimit = z
  .strictObject({ rx: oneLimit.optional(), tx: oneLimit.optional() })
  .refine(({ rx, tx }) => rx !== undefined || tx !== undefined, {
    error: 'must have rx, tx or both',
  })
  .nullable()
  .describe('The most that comes in (rx) and leaves (tx) a second; null = no limit');

const storm = z
  .strictObject({
    broadcast: amount.optional(),
    multicast: amount.optional(),
    unknown: amount.optional(),
  })
  .refine((sorts) => Object.values(sorts).some((limit) => limit !== undefined), {
    error: 'must have broadcast, multicast or unknown',
  })
  .nullable()
  .describe('The most frames a second that are flooded; null = no limit');

const mostVlan = 4094;
const vlan = integer(1, mostVlan);
const vlansError = `must be a VLAN from 1 to ${mostVlan}, or a range such as 200-299`;
const vlans = z.union([z.int(), z.string()], { error: vlansError }).refine(
  (given) => {
    const [first, last] = rangeOf(given);
    return first >= 1 && first <= last && last <= mostVlan;
  },
  { error: vlansError },
);

function rangeOf(given: number | string): [first: number, last: number] {
  const [first = Number.NaN, last = first] = /^\d+(-\d+)?$/.test(String(given))
    ? String(given).split('-').map(Number)
    : [];
  return [first, last];
}

const listOfVlans = 'must be a list of VLANs and ranges, such as [100, 200-299]';
const access = vlan.nullable().describe('VLAN of the port, without a tag; of a bridge with vlans');
const trunk = z
  .array(vlans, { error: listOfVlans })
  .min(1, { error: listOfVlans })
  .max(mostVlan, { error: listOfVlans })
  .nullable()
  .describe('VLANs with a tag: numbers and ranges; of a bridge with vlans');
const nativeVlan = vlan.nullable().describe('Of a trunk: VLAN of frames without a tag');

/** What may change on a live port. */
export const policyChanges = {
  access,
  trunk,
  native: nativeVlan,
  isolated,
  vepa,
  antiSpoof,
  rateLimit,
  storm,
};

export const policyFields = {
  access: access.default(null),
  trunk: trunk.default(null),
  native: nativeVlan.default(null),
  isolated: isolated.default(false),
  vepa: vepa.default(false),
  antiSpoof: antiSpoof.default(null),
  rateLimit: rateLimit.default(null),
  storm: storm.default(null),
};

const policySchema = z.strictObject(policyFields);

/** A complete policy. */
export type Policy = z.output<typeof policySchema>;

type VlanKey = 'access' | 'trunk' | 'native';

/** The policy among a port's complete options. */
export function policyOf(options: Policy): Policy {
  const { access, trunk, native, isolated, vepa, antiSpoof, rateLimit, storm } = options;
  return { access, trunk, native, isolated, vepa, antiSpoof, rateLimit, storm };
}

/** What is wrong with the VLANs of a port in a bridge that has VLANs, or has none. */
export function vlanMistake(
  { access, trunk, native }: Pick<Policy, VlanKey>,
  bridge: string,
  hasVlans: boolean,
): { key: VlanKey; message: string } | undefined {
  if (!hasVlans) {
    const key = (['access', 'trunk', 'native'] as const).find(
      (each) => ({ access, trunk, native })[each] !== null,
    );
    const message = `must not be given in bridge "${bridge}", which has no VLANs (vlans: true)`;
    return key && { key, message };
  }
  if (access !== null && trunk !== null) {
    return { key: 'access', message: 'must not be given with trunk: a port is one of both' };
  }
  return native !== null && trunk === null
    ? { key: 'native', message: 'must not be given without trunk' }
    : undefined;
}

/** Changes of a port, where one to access ends a trunk, and the other way round. */
export function withVlans<T extends { access?: unknown; trunk?: unknown }>(changes: T): T {
  if (changes.access !== undefined && changes.access !== null) {
    return { trunk: null, native: null, ...changes };
  }
  return changes.trunk ? { access: null, ...changes } : changes;
}

/** The VLAN of frames without a tag; 0: none. */
export function untaggedOf({ access, trunk, native }: Pick<Policy, VlanKey>): number {
  return trunk ? (native ?? 0) : (access ?? 1);
}

/** A policy as native code takes it. */
export function policyToNative(policy: Policy): NativePolicy {
  const { trunk, isolated, vepa, antiSpoof, rateLimit, storm } = policy;
  return {
    vlans: {
      untagged: untaggedOf(policy),
      tagged: (trunk ?? []).map(rangeOf),
    },
    isolated,
    vepa,
    senders: antiSpoof && {
      macs: antiSpoof.macs.map((mac) => BigInt(`0x${mac.replaceAll(':', '')}`)),
      ips: antiSpoof.ips.map(prefixToNative),
    },
    rx: rateToNative(rateLimit?.rx),
    tx: rateToNative(rateLimit?.tx),
    storm: {
      broadcast: storm?.broadcast ?? 0,
      multicast: storm?.multicast ?? 0,
      unknown: storm?.unknown ?? 0,
    },
  };
}

function prefixToNative(text: string) {
  const [address = '', bits = isIP(address) === 4 ? 32 : 128] = text.split('/');
  return { address, bits: Number(bits) };
}

function rateToNative(limit: z.output<typeof oneLimit> | undefined): NativeRate {
  return { frames: limit?.frames ?? 0, bits: limit?.bits ?? 0, burst: limit?.burst ?? 1 };
}
