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

const schema = z.strictObject({
  kind: z.literal('ethdev'),
  ...deviceFields,
  devargs: z
    .string({ error: devargsError })
    .max(limits.devargs, { error: `must be at most ${limits.devargs} bytes` })
    .regex(/^[A-Za-z0-9][\w:.-]*(,[\x21-\x7e]*)?$/, { error: devargsError })
    .describe("The device, as DPDK's devargs"),
});

/** Complete options of any device. */
export type Device = Omit<z.output<typeof schema>, 'kind' | 'devargs'>;

/** A native port for the device that the devargs name; `below`: the kernel's interface under it, and its new address. */
export function deviceToNative(
  devargs: string,
  options: Device,
  bridge: number,
  below: Partial<Pick<NativeDeviceOptions, 'interface' | 'makesInterface' | 'mac'>> = {},
) {
  const { macLimit, mtu, polling = '', queues, ringSize, netns = '', promiscuous } = options;
  const addresses = options.addresses.map(stationNumber);
  const same = { interface: '', makesInterface: false, mac: 0n, ...below };
  const deviceMtu = mtu > limits.deviceMtu ? 0 : mtu;
  const ethdev = {
    devargs,
    netns,
    queues,
    ringSize,
    mtu: deviceMtu,
    promiscuous,
    addresses,
    ...same,
  };
  return { kind: 'ethdev', bridge, macLimit, mtu, polling, ethdev } satisfies NativeKindOptions;
}

export const ethdev = {
  name: 'ethdev' as const,
  schema: schema satisfies z.ZodType<unknown, EthdevOptions>,
  toNative: (options, bridge) => deviceToNative(options.devargs, options, bridge),
  identity: ({ devargs }) => `device ${devargs.split(',', 1)[0]}`,
  show: ({ devargs, queues, ringSize }) => ({ devargs, queues, ringSize }),
} satisfies PortKind<z.output<typeof schema>>;
