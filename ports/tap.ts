/**
 * Ports of kind `tap`: a TAP interface of the Linux kernel, for containers that know the kernel only. By system calls alone:
 * it needs no DPDK. The native half is native/ports/tap.
 */
import { z } from 'zod';
import { flag, integer, interfaceName, netns, station, stationNumber } from './checks.js';
import { type CommonOptions, commonFields, type PortKind } from './kind.js';

/** A port over an interface that it makes, in any network namespace. */
export interface TapOptions extends CommonOptions {
  kind: 'tap';
  /** Also given to the interface, 68 to 65517. Default 1500. */
  mtu?: number | undefined;
  /** The interface's name, at most 15 bytes. One that is there is taken up if it is a TAP that nobody holds. */
  interface: string;
  /** Where: a name as of `ip netns`, the path of a namespace, or a process id in it. Default: the switch's own. */
  netns?: string | number | undefined;
  /** The interface's address. Default: made up by the kernel, or as it is. */
  mac?: string | undefined;
  /**
   * Whether the interface stays, without carrier, when the port or the switch goes: its addresses and routes survive a
   * restart of the switch. Default false.
   */
  persistent?: boolean | undefined;
}

const schema = z.strictObject({
  kind: z.literal('tap'),
  ...commonFields,
  mtu: integer(68, 65_517).default(1500).describe('Of the interface, and of the port'),
  interface: interfaceName.describe("The interface's name"),
  netns: netns.optional().describe('Network namespace of the interface'),
  mac: station.optional().describe("The interface's address"),
  persistent: flag().default(false).describe('Whether the interface stays when the port goes'),
});

export const tap = {
  name: 'tap' as const,
  schema: schema satisfies z.ZodType<unknown, TapOptions>,
  toNative({ kind, bridge: _, macLimit, mtu, polling, ...options }, bridge) {
    const { interface: name, netns: where = '', mac, persistent } = options;
    return {
      kind,
      bridge,
      macLimit,
      mtu,
      polling: polling ?? '',
      tap: {
        netns: where,
        interface: name,
        persistent,
        mac: mac === undefined ? 0n : stationNumber(mac),
        mtu,
      },
    };
  },
  identity({ interface: name, netns: where }) {
    return where === undefined ? `interface ${name}` : `interface ${name} in ${where}`;
  },
  show({ interface: name, netns: where = '', persistent }) {
    return { interface: name, netns: where, persistent };
  },
} satisfies PortKind<z.output<typeof schema>>;
