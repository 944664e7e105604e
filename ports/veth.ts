/**
 * Ports of kind `veth`: a pair of interfaces of the Linux kernel, one a container's, the other the host's. For what wants to find
 * a container by its veth; else a TAP (tap.ts) does with less. The native half is native/ports/veth.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { flag, integer, interfaceName, netns, station, stationNumber } from './checks.js';
import { type CommonOptions, commonFields, type PortKind } from './kind.js';

/** A port over a pair that it makes, with one end in any network namespace. */
export interface VethOptions extends CommonOptions {
  kind: 'veth';
  /** Also given to both ends, 68 to 65517. Default 1500. */
  mtu?: number | undefined;
  /** Name of the container's end, at most 15 bytes. */
  interface: string;
  /** Where that is: a name as of `ip netns`, the path of a namespace, or a process id in it. Default: the switch's own. */
  netns?: string | number | undefined;
  /** Its address. Default: made up by the kernel, or as it is. */
  mac?: string | undefined;
  /**
   * Name of the other end, in the switch's own namespace, at most 14 bytes. A pair that is there by that name is taken up. The
   * same name and a `t` has the macvtap on it. Default: `mswv` and ten digits made of `netns` and `interface`.
   */
  host?: string | undefined;
  /**
   * Whether the pair stays, without carrier, when the port or the switch goes: its addresses and routes survive a restart of
   * the switch. Default false.
   */
  persistent?: boolean | undefined;
}

const hostError = 'must be the name of an interface, at most 14 characters';

const schema = z.strictObject({
  kind: z.literal('veth'),
  ...commonFields,
  mtu: integer(68, 65_517).default(1500).describe('Of both ends, and of the port'),
  interface: interfaceName.describe("Name of the container's end"),
  netns: netns.optional().describe("Network namespace of the container's end"),
  mac: station.optional().describe("Address of the container's end"),
  host: interfaceName
    .max(14, { error: hostError })
    .optional()
    .describe("Name of the switch's end; default: made of the others"),
  persistent: flag().default(false).describe('Whether the pair stays when the port goes'),
});

type Veth = z.output<typeof schema>;

/** The name of the switch's end of what `text` is unique for. */
export function hostEnd(text: string): string {
  return `mswv${createHash('sha256').update(text).digest('hex').slice(0, 10)}`;
}

function hostOf({ host, netns: where = '', interface: name }: Veth): string {
  return host ?? hostEnd(`${where}/${name}`);
}

export const veth = {
  name: 'veth' as const,
  schema: schema satisfies z.ZodType<unknown, VethOptions>,
  toNative(options, bridge) {
    const { kind, macLimit, mtu, polling, interface: name, netns: where = '', mac } = options;
    return {
      kind,
      bridge,
      macLimit,
      mtu,
      polling: polling ?? '',
      veth: {
        netns: where,
        interface: name,
        host: hostOf(options),
        persistent: options.persistent,
        mac: mac === undefined ? 0n : stationNumber(mac),
        mtu,
      },
    };
  },
  identity: (options) => `interface ${hostOf(options)}`,
  show(options) {
    const { interface: name, netns: where = '', persistent } = options;
    return { interface: name, netns: where, host: hostOf(options), persistent };
  },
} satisfies PortKind<Veth>;
