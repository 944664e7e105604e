/**
 * Ports of kind `kernel`: an interface of the Linux kernel, for what has no memif and no card of its own. Made of an
 * ethdev port (ethdev.ts), whose devargs are chosen here.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { native } from '../switch/native.js';
import { integer, oneOf, station, stationNumber } from './checks.js';
import { type DeviceOptions, deviceFields, deviceToNative } from './ethdev.js';
import type { PortKind } from './kind.js';

const drivers = ['tap', 'af_packet', 'af_xdp'] as const;

/** A port over an interface of the kernel. */
export interface KernelOptions extends DeviceOptions {
  kind: 'kernel';
  /** As of every port, 68 to 1500; also given to the interface. Default: as the interface has it. */
  mtu?: number | undefined;
  /**
   * `tap` makes the interface, which goes away with the port. The others take one that is there, and take it whole: frames
   * that come in by it go to the switch. `af_xdp` is the fastest; `af_packet` runs on any kernel. Default `tap`.
   */
  driver?: (typeof drivers)[number] | undefined;
  /** The interface's name, at most 15 bytes. */
  interface: string;
  /** The interface's address. Default: made up by the kernel, or as it is. */
  mac?: string | undefined;
}

const interfaceError = 'must be the name of an interface, at most 15 characters';
const { limits } = native;

/** DPDK's drivers for these interfaces take no longer frames (22.11; rte_eth_tap.c tap_dev_info, and its like). */
const longest = 1500;

const fields = z.strictObject({
  kind: z.literal('kernel'),
  ...deviceFields,
  queues: integer(1, 16).default(1).describe('Most queues in each direction'),
  driver: oneOf(drivers).default('tap').describe('How the interface is reached'),
  interface: z
    .string({ error: interfaceError })
    .regex(/^(?!\.{1,2}$)[^\s/:,]{1,15}$/, { error: interfaceError })
    .describe("The kernel's interface"),
  mac: station.optional().describe("The interface's address"),
});

const schema = fields.refine(({ mtu }) => mtu <= longest || mtu === limits.maxMtu, {
  path: ['mtu'],
  error: `must be an integer from ${limits.minMtu} to ${longest}`,
});

type Kernel = z.output<typeof schema>;

/**
 * Devices are told apart by name, of at most 22 bytes for a TAP; interfaces only within their namespace. So what is long,
 * or may be there twice, becomes a beginning and a digest.
 */
function unique({ interface: name, netns = '' }: Kernel): string {
  if (netns === '' && name.length <= 14) {
    return name;
  }
  const digest = createHash('sha256').update(`${netns}/${name}`).digest('hex');
  return `${name.slice(0, 6)}-${digest.slice(0, 7)}`;
}

function devargsOf(options: Kernel): string {
  const { driver, interface: name, queues, ringSize, mac } = options;
  const device = `net_${driver}_${unique(options)},iface=${name}`;
  switch (driver) {
    case 'tap':
      return mac === undefined ? device : `${device},mac=${mac}`;
    case 'af_packet':
      return `${device},qpairs=${queues},framecnt=${ringSize},qdisc_bypass=1`;
    case 'af_xdp':
      return `${device},queue_count=${queues}`;
  }
}

/** A TAP gets its address by devargs: its driver sets it again whenever it starts. */
function below({ driver, interface: name, mac }: Kernel) {
  return driver === 'tap'
    ? { interface: name, makesInterface: true }
    : { interface: name, mac: mac === undefined ? 0n : stationNumber(mac) };
}

export const kernel = {
  name: 'kernel' as const,
  schema: schema satisfies z.ZodType<unknown, KernelOptions>,
  toNative: (options, bridge) =>
    deviceToNative(devargsOf(options), options, bridge, below(options)),
  identity({ interface: name, netns }) {
    return netns === undefined ? `interface ${name}` : `interface ${name} in ${netns}`;
  },
  show({ driver, interface: name, netns = '' }) {
    return { driver, interface: name, netns };
  },
} satisfies PortKind<Kernel>;
