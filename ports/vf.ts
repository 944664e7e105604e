/**
 * Ports of kind `vf`: a virtual function of an SR-IOV card, or a whole card, driven from user space. Made of an ethdev port
 * (ethdev.ts); what the host must do for it is done here, and undone.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { flag, integer, oneOf, station } from './checks.js';
import { type DeviceOptions, deviceFields, deviceToNative } from './ethdev.js';
import { HostError } from './host-error.js';
import { note, restore, restoreAbandoned } from './journal.js';
import type { PortKind } from './kind.js';
import * as pci from './pci.js';

const linkStates = ['auto', 'enable', 'disable'] as const;

/** A port over a PCI device: `device`, or the virtual function `vf` of the card `pf`. */
export interface VfOptions extends Omit<DeviceOptions, 'netns'> {
  kind: 'vf';
  /** PCI address, like 0000:01:10.0. */
  device?: string | undefined;
  /** The card (physical function), by its interface or its PCI address. */
  pf?: string | undefined;
  /** Which of the card's virtual functions, from 0. */
  vf?: number | undefined;
  /** How many virtual functions to make if the card has none, 1 to 256. Default: none are made. */
  vfs?: number | undefined;
  /** The virtual function's address, set on the card. Default: as it is. */
  mac?: string | undefined;
  /** VLAN that the card puts its frames into, 1 to 4094; 0 = none. Default: as it is. */
  vlan?: number | undefined;
  /** Whether the card lets it change its filters, so that `promiscuous` may work. Default: as it is. */
  trust?: boolean | undefined;
  /** Whether the card drops what it sends from other addresses than its own; a bridge sends from many. Default: as it is. */
  spoofCheck?: boolean | undefined;
  /** Its link: the card's own (`auto`), always up (`enable`) or down (`disable`). Default: as it is. */
  linkState?: (typeof linkStates)[number] | undefined;
  /** Most that it may send, Mbit/s; 0 = no limit. Default: as it is. */
  rate?: number | undefined;
}

const addressError = 'must be a PCI address like 0000:01:10.0';

/** A PCI device is in no network namespace. */
const { netns: _, ...pciFields } = deviceFields;

const fields = z.strictObject({
  kind: z.literal('vf'),
  ...pciFields,
  device: z
    .string({ error: addressError })
    .regex(pci.pciAddress, { error: addressError })
    .optional()
    .describe('PCI address'),
  pf: z.string().min(1).optional().describe('The card, by its interface or its PCI address'),
  vf: integer(0, 255).optional().describe("Which of the card's virtual functions"),
  vfs: integer(1, 256).optional().describe('Virtual functions to make if the card has none'),
  mac: station.optional().describe('Address, set on the card'),
  vlan: integer(0, 4094).optional().describe('VLAN that the card puts frames into; 0 = none'),
  trust: flag().optional().describe('Whether the card lets the function change its filters'),
  spoofCheck: flag().optional().describe('Whether the card drops foreign source addresses'),
  linkState: oneOf(linkStates).optional().describe("The function's link"),
  rate: integer(0, 400_000).optional().describe('Most that it may send, Mbit/s; 0 = no limit'),
});

const schema = fields.superRefine(({ device, pf, vf }, context) => {
  const issue = (path: string, message: string) =>
    context.addIssue({ code: 'custom', path: [path], message });
  if (device !== undefined && (pf !== undefined || vf !== undefined)) {
    issue('device', 'must not be given together with "pf" and "vf"');
  } else if (device === undefined && pf === undefined) {
    issue('device', 'must be given, or "pf" and "vf"');
  } else if (device === undefined && vf === undefined) {
    issue('vf', 'must be given with "pf"');
  }
});

type Vf = z.output<typeof schema>;

function find({ device = '', pf, vf = 0, vfs = 0 }: Vf): string {
  if (pf !== undefined) {
    return pci.virtualFunction(pci.addressOf(pf), vf, vfs);
  }
  pci.requireDevice(device);
  return device;
}

/** What the card is told of its function, as `ip link set PF vf N` has it. */
function cardSettings(options: Vf): [string, string][] {
  const onOff = (value?: boolean) => (value === undefined ? value : value ? 'on' : 'off');
  const settings: [string, string | number | undefined][] = [
    ['mac', options.mac],
    ['vlan', options.vlan],
    ['trust', onOff(options.trust)],
    ['spoofchk', onOff(options.spoofCheck)],
    ['state', options.linkState],
    ['max_tx_rate', options.rate],
  ];
  return settings.flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
}

function tellCard(address: string, options: Vf): void {
  const settings = cardSettings(options);
  if (settings.length === 0) {
    return;
  }
  const parent = pci.parentOf(address);
  const [card] = parent ? pci.interfacesOf(parent.pf) : [];
  if (!parent || card === undefined) {
    const why = parent
      ? `its card ${parent.pf} has no interface here`
      : 'it is no virtual function';
    throw new HostError(
      'INVALID',
      `${address}: mac, vlan, trust, spoofCheck, linkState and rate are set on its card, but ${why}`,
    );
  }
  for (const [name, value] of settings) {
    const args = ['link', 'set', card, 'vf', String(parent.index), name, value];
    const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
    if (status !== 0) {
      const why = error?.message ?? stderr.trim();
      throw new HostError('SYSTEM', `the card ${card} refuses: ip ${args.join(' ')}: ${why}`);
    }
  }
}

/** Somebody's network must not be cut off by a mistyped address. */
function refuseBusy(address: string): void {
  const isUp = (name: string) =>
    (Number(readFileSync(`/sys/class/net/${name}/flags`, 'utf8')) & 1) === 1;
  const up = pci.interfacesOf(address).find(isUp);
  if (up !== undefined) {
    throw new HostError(
      'IN_USE',
      `${address} is the interface ${up}, which is up; run: sudo ip link set ${up} down`,
    );
  }
}

function loadVfio(): void {
  const driver = '/sys/bus/pci/drivers/vfio-pci';
  if (!existsSync(driver)) {
    spawnSync('modprobe', ['vfio-pci']);
  }
  if (!existsSync(driver)) {
    throw new HostError('SYSTEM', 'the kernel has no driver vfio-pci; run: sudo modprobe vfio-pci');
  }
}

function giveToVfio(address: string): void {
  pci.checkIsolation(address);
  if (pci.driverOf(address) !== 'vfio-pci') {
    refuseBusy(address);
    loadVfio();
    note(address);
    pci.bind(address, 'vfio-pci', true);
  }
  pci.checkGroupAccess(address);
}

export const vf = {
  name: 'vf' as const,
  schema: schema satisfies z.ZodType<unknown, VfOptions>,
  recover: restoreAbandoned,
  prepare(options) {
    const address = find(options);
    tellCard(address, options);
    try {
      if (!pci.keepsDriver(address)) {
        giveToVfio(address);
      }
    } catch (error) {
      restore(address);
      throw error;
    }
    return { device: address, restore: () => restore(address) };
  },
  toNative: (options, bridge, { device }) => deviceToNative(device, options, bridge),
  identity({ device, pf, vf }) {
    return device === undefined ? `virtual function ${vf} of ${pf}` : `device ${device}`;
  },
  show({ device, pf, vf, vlan }) {
    const place = device === undefined ? { pf: pf ?? '', vf: vf ?? 0 } : { device };
    return { ...place, ...(vlan === undefined ? {} : { vlan }) };
  },
} satisfies PortKind<Vf>;
