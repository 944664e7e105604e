/**
 * Ports of kind `ethdev`: any Ethernet device that DPDK drives, named by its devargs. The kinds `kernel` and `vf` choose
 * devargs by themselves. The native half is native/ports/ethdev.
 */
import { z } from 'zod';
import { type NativeDeviceOptions, type NativeKindOptions, native } from '../switch/native.js';
import { flag, integer, netns, station, stationNumber } from './checks.js';
import { type CommonOptions, commonFields, type PortKind } from './kind.js';

const { limits } = native;

/** What devices of all kinds have. */
export interface DeviceOptions extends CommonOptions {
  /** Most receive queues, and transmit queues, 1 to 256; a device with fewer has fewer. Default 1. */
  queues?: number | undefined;
  /** Descriptors in each queue, 32 to 32768; a device takes the nearest number that it can. Default 1024. */
  ringSize?: number | undefined;
  /** As of every port; up to 16000 it is also given to the device. Default: as the device has it. */
  mtu?: number | undefined;
  /**
   * Network namespace of the device: a name as of `ip netns`, the path of a namespace, or a process id in it.
   * Default: the switch's own.
   */
  netns?: string | number | undefined;
  /** Whether to take frames to any address, as a bridge must; a VF may need `trust` for it. Default true. */
  promiscuous?: boolean | undefined;
  /**
   * Addresses of stations, beside the device's own, that it takes frames to (MAC filters): for a device that is not
   * promiscuous, those behind the bridge's other ports. At most 256, and no more than the device has filters. Default none.
   */
  addresses?: string[] | undefined;
}

/** A port over any device of DPDK. */
export interface EthdevOptions extends DeviceOptions {
  kind: 'ethdev';
  /** As DPDK takes them: a PCI address, or a virtual device's name and its arguments: `net_pcap0,iface=eth1`. */
  devargs: string;
  /**
   * Of a bonding device, and only of one: the 1 to 8 devices that it joins, each as devargs. They are no ports of their own, and
   * those that are virtual are made, in the namespace of the port. Which of them frames take is the device's `mode`:
   * `net_bonding0,mode=1` (active-backup). Default none.
   */
  members?: string[] | undefined;
}

const devargsError =
  'must be a PCI address like 0000:01:10.0, or a virtual device like net_pcap0,iface=eth1';

export const deviceFields = {
  ...commonFields,
  queues: integer(1, limits.queues).default(1).describe('Most queues in each direction'),
  ringSize: integer(32, limits.deviceRing).default(1024).describe('Descriptors in each queue'),
  netns: netns.optional().describe('Network namespace of the device'),
  promiscuous: flag().default(true).describe('Whether to take frames to any address'),
  addresses: z
    .array(station, { error: 'must be a list of addresses' })
    .max(256, { error: 'must be at most 256 addresses' })
    .default([])
    .describe('Stations that frames are taken to, beside the device itself'),
};

const devargs = z
  .string({ error: devargsError })
  .max(limits.devargs, { error: `must be at most ${limits.devargs} bytes` })
  .regex(/^[A-Za-z0-9][\w:.-]*(,[\x21-\x7e]*)?$/, { error: devargsError });

const membersError = 'must be a list of 1 to 8 devices';

const schema = z
  .strictObject({
    kind: z.literal('ethdev'),
    ...deviceFields,
    devargs: devargs.describe("The device, as DPDK's devargs"),
    members: z
      .array(devargs, { error: membersError })
      .min(1, { error: membersError })
      .max(8, { error: membersError })
      .optional()
      .describe('The devices that a bonding device joins, as devargs'),
  })
  .superRefine(({ devargs, members }, context) => {
    const bonds = devargs.startsWith('net_bonding');
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (bonds !== (members !== undefined)) {
      refuse('members', bonds ? 'must name what net_bonding joins' : 'are of net_bonding only');
    }
    // Its driver wants to send at least each 100 ms, also when there is nothing to send.
    if (bonds && /,mode=4(,|$)/.test(devargs)) {
      refuse('devargs', 'must have a mode other than 4 (LACP): 0 to 3, 5 or 6');
    }
  });

/** Complete options of any device. */
export type Device = Omit<z.output<typeof schema>, 'kind' | 'devargs' | 'members'>;

/** A native port for the device that the devargs name; `more`: the kernel's interface under it and its new address; what it joins. */
export function deviceToNative(
  devargs: string,
  options: Device,
  bridge: number,
  more: Partial<Pick<NativeDeviceOptions, 'interface' | 'makesInterface' | 'mac' | 'members'>> = {},
) {
  const { macLimit, mtu, polling = '', queues, ringSize, netns = '', promiscuous } = options;
  const addresses = options.addresses.map(stationNumber);
  const rest = { interface: '', makesInterface: false, mac: 0n, members: [], ...more };
  const deviceMtu = mtu > limits.deviceMtu ? 0 : mtu;
  const ethdev = {
    devargs,
    netns,
    queues,
    ringSize,
    mtu: deviceMtu,
    promiscuous,
    addresses,
    ...rest,
  };
  return { kind: 'ethdev', bridge, macLimit, mtu, polling, ethdev } satisfies NativeKindOptions;
}

export const ethdev = {
  name: 'ethdev' as const,
  schema: schema satisfies z.ZodType<unknown, EthdevOptions>,
  toNative: ({ members = [], ...options }, bridge) =>
    deviceToNative(options.devargs, options, bridge, { members }),
  identity: ({ devargs }) => `device ${devargs.split(',', 1)[0]}`,
  show: ({ devargs, members, queues, ringSize }) => ({
    devargs,
    ...(members && { members: members.join(' ') }),
    queues,
    ringSize,
  }),
} satisfies PortKind<z.output<typeof schema>>;
