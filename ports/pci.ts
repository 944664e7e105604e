/** PCI devices as the kernel shows them in sysfs: their drivers, their IOMMU groups, their virtual functions. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { HostError, hostFailure } from './host-error.js';

const pci = '/sys/bus/pci';

/** Drivers that let DPDK have the device while they keep it; all others must let go of it. */
const sharing = ['mlx4_core', 'mlx5_core', 'mana', 'hv_netvsc'];

/** Drivers that don't keep a group from being used (vfio.c, vfio_dev_viable). */
const harmless = ['vfio-pci', 'pci-stub', 'pcieport'];

export const pciAddress = /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;

export function pathOf(address: string): string {
  return join(pci, 'devices', address);
}

export function requireDevice(address: string): void {
  if (!existsSync(pathOf(address))) {
    const hint = 'see: lspci -D | grep -i -e ethernet -e network';
    throw new HostError('NOT_FOUND', `no PCI device has the address ${address}; ${hint}`);
  }
}

/** The device's driver now, '' for none. */
export function driverOf(address: string): string {
  const link = join(pathOf(address), 'driver');
  return existsSync(link) ? basename(realpathSync(link)) : '';
}

export function keepsDriver(address: string): boolean {
  return sharing.includes(driverOf(address));
}

/** The kernel's interfaces over the device; a virtio card's are one level below. */
export function interfacesOf(address: string): string[] {
  const path = pathOf(address);
  const below = readdirSync(path).filter((name) => /^virtio\d+$/.test(name));
  return ['', ...below]
    .map((name) => join(path, name, 'net'))
    .flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
}

/** The IOMMU group's number; undefined where there is no IOMMU. */
function groupOf(address: string): string | undefined {
  const link = join(pathOf(address), 'iommu_group');
  return existsSync(link) ? basename(realpathSync(link)) : undefined;
}

function writeSysfs(path: string, value: string | number): void {
  try {
    writeFileSync(path, String(value));
  } catch (cause) {
    throw hostFailure(`write ${value} to ${path}`, cause);
  }
}

/** Takes the device from its driver and gives it to another; '' = to none. */
export function bind(address: string, driver: string, isOverride: boolean): void {
  const path = pathOf(address);
  writeSysfs(join(path, 'driver_override'), isOverride ? driver : '\n');
  if (driverOf(address) !== '') {
    writeSysfs(join(path, 'driver', 'unbind'), address);
  }
  if (driver !== '') {
    writeSysfs(join(pci, 'drivers_probe'), address);
  }
  if (driverOf(address) !== driver) {
    throw new HostError(
      'SYSTEM',
      `the driver ${driver} does not take ${address}; see: dmesg | tail`,
    );
  }
}

/** Refuses a device that vfio can't give to a process, with what to do about it. */
export function checkIsolation(address: string): void {
  const group = groupOf(address);
  if (group === undefined) {
    if (allowsNoIommu()) {
      return;
    }
    throw new HostError(
      'SYSTEM',
      `${address} is behind no IOMMU; turn on VT-d or AMD-Vi in the firmware and boot Linux with intel_iommu=on iommu=pt ` +
        '(or, without protection: echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode)',
    );
  }
  const others = readdirSync(`/sys/kernel/iommu_groups/${group}/devices`)
    .filter((other) => other !== address)
    .map((other) => ({ other, driver: driverOf(other) }))
    .filter(({ driver }) => driver !== '' && !harmless.includes(driver));
  if (others.length > 0) {
    const list = others.map(({ other, driver }) => `${other} (${driver})`).join(', ');
    throw new HostError(
      'IN_USE',
      `${address} is in IOMMU group ${group} together with ${list}, and vfio gives away only whole groups; ` +
        'give those to vfio-pci too, or use a slot with a group of its own',
    );
  }
}

function allowsNoIommu(): boolean {
  const file = '/sys/module/vfio/parameters/enable_unsafe_noiommu_mode';
  return existsSync(file) && readFileSync(file, 'utf8').startsWith('Y');
}

/** Refuses a group that this process may not open, or another has open. */
export function checkGroupAccess(address: string): void {
  const group = groupOf(address);
  const file = group === undefined ? undefined : `/dev/vfio/${group}`;
  if (file === undefined || !existsSync(file)) {
    return;
  }
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
  } catch (cause) {
    const hint = `run: sudo chown $USER ${file}`;
    throw new HostError('PERMISSION', `${address}: ${file} may not be opened; ${hint}`, cause);
  }
  try {
    closeSync(openSync(file, 'r+'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EBUSY') {
      const hint = `see: fuser -v ${file}`;
      throw new HostError('IN_USE', `${address} is in use by another process; ${hint}`, cause);
    }
    throw hostFailure(`open ${file}`, cause);
  }
}

/** The PCI address of an interface's device, or of the device itself. */
export function addressOf(nameOrAddress: string): string {
  if (pciAddress.test(nameOrAddress)) {
    requireDevice(nameOrAddress);
    return nameOrAddress;
  }
  const path = `/sys/class/net/${nameOrAddress}/device`;
  const found = existsSync(path)
    ? realpathSync(path)
        .split('/')
        .findLast((part) => pciAddress.test(part))
    : undefined;
  if (found === undefined) {
    const what = `no interface "${nameOrAddress}" of a PCI device is in this network namespace`;
    throw new HostError('NOT_FOUND', `${what}; see: ip -br link`);
  }
  return found;
}

function read(address: string, file: string): number | undefined {
  const path = join(pathOf(address), file);
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) : undefined;
}

/** The address of a virtual function; makes `wanted` of them first where there are none. */
export function virtualFunction(pf: string, index: number, wanted: number): string {
  const total = read(pf, 'sriov_totalvfs');
  const count = read(pf, 'sriov_numvfs');
  if (total === undefined || count === undefined) {
    throw new HostError(
      'SYSTEM',
      `${pf} has no virtual functions: its driver (${driverOf(pf) || 'none'}) has no SR-IOV, or the firmware has it off`,
    );
  }
  if (count === 0 && wanted > total) {
    throw new HostError('LIMIT', `${pf} can have ${total} virtual functions, not ${wanted}`);
  }
  if (count === 0 && wanted === 0) {
    const command = `echo ${index + 1} | sudo tee ${pathOf(pf)}/sriov_numvfs`;
    throw new HostError(
      'NOT_FOUND',
      `${pf} has no virtual functions yet; give "vfs" to have them made, or run: ${command}`,
    );
  }
  if (count === 0) {
    writeSysfs(join(pathOf(pf), 'sriov_numvfs'), wanted);
  }
  const link = join(pathOf(pf), `virtfn${index}`);
  if (!existsSync(link)) {
    const last = (read(pf, 'sriov_numvfs') ?? 0) - 1;
    throw new HostError('NOT_FOUND', `${pf} has virtual functions 0 to ${last}, not ${index}`);
  }
  return basename(readlinkSync(link));
}

/** The physical function of a virtual one, and its number there; undefined for any other device. */
export function parentOf(address: string): { pf: string; index: number } | undefined {
  const link = join(pathOf(address), 'physfn');
  if (!existsSync(link)) {
    return undefined;
  }
  const pf = basename(realpathSync(link));
  const virtual = readdirSync(pathOf(pf)).filter((name) => name.startsWith('virtfn'));
  const mine = virtual.find((name) => basename(readlinkSync(join(pathOf(pf), name))) === address);
  return mine === undefined ? undefined : { pf, index: Number(mine.slice('virtfn'.length)) };
}
