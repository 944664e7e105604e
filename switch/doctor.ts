/** What this host lacks for ports over devices, in plain words, and the command that mends it. Changes nothing. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Finding {
  subject: string;
  /** `lacks`: something can't work; `note`: it works, but less well or not for all. */
  level: 'ok' | 'note' | 'lacks';
  /** What was found. */
  found: string;
  /** What to do about it; '' for nothing. */
  mend: string;
}

type Check = () => Finding | Finding[];

function ok(subject: string, found: string): Finding {
  return { subject, level: 'ok', found, mend: '' };
}

function note(subject: string, found: string, mend: string): Finding {
  return { subject, level: 'note', found, mend };
}

function lacks(subject: string, found: string, mend: string): Finding {
  return { subject, level: 'lacks', found, mend };
}

/** A small file's text, '' where there is none. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function mayUse(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const isRoot = process.geteuid?.() === 0;

/** Bits of capabilities(7) in the effective set. */
function hasCapability(bit: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(read('/proc/self/status'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n;
}

const dpdkBuild: Check = () => {
  const builds = ['../build/Release', '../../build/Release'].map((folder) =>
    join(import.meta.dirname, folder, 'memswitch_dpdk.so'),
  );
  const mend = 'sudo apt-get install libdpdk-dev && npm run build';
  return builds.some((path) => existsSync(path))
    ? ok('DPDK', 'this build has it')
    : lacks('DPDK', 'this build was made without: no ports of kind ethdev, kernel and vf', mend);
};

const drivers: Check = () => {
  const base = '/usr/lib/x86_64-linux-gnu/dpdk';
  const found = list(base)
    .filter((name) => name.startsWith('pmds-'))
    .flatMap((name) => list(join(base, name)))
    .filter((name) => /^librte_net_.*\.so$/.test(name));
  return found.length > 0
    ? ok('DPDK drivers', `${found.length} for network devices`)
    : lacks('DPDK drivers', `none in ${base}`, 'sudo apt-get install dpdk libdpdk-dev');
};

const hugePages: Check = () => {
  const folder = '/sys/kernel/mm/hugepages';
  const free = list(folder).reduce((sum, name) => {
    const kilobytes = Number(/\d+/.exec(name)?.[0] ?? 0);
    return sum + kilobytes * Number(read(join(folder, name, 'free_hugepages')));
  }, 0);
  const megabytes = free / 1024;
  const mend = 'echo 512 | sudo tee /proc/sys/vm/nr_hugepages';
  return megabytes >= 512
    ? ok('huge pages', `${megabytes} MB free`)
    : note('huge pages', `${megabytes} MB free: devices use ordinary memory, and are slower`, mend);
};

const iommu: Check = () => {
  const groups = list('/sys/kernel/iommu_groups').length;
  const mend = 'turn on VT-d or AMD-Vi in the firmware and boot Linux with intel_iommu=on iommu=pt';
  return groups > 0
    ? ok('IOMMU', `${groups} groups`)
    : note('IOMMU', 'none: no ports of kind vf, but over mlx4, mlx5 and such', mend);
};

const vfio: Check = () =>
  existsSync('/sys/bus/pci/drivers/vfio-pci')
    ? ok('vfio', 'vfio-pci is loaded')
    : note('vfio', 'vfio-pci is not loaded: ports of kind vf load it', 'sudo modprobe vfio-pci');

const cards: Check = () => {
  const folder = '/sys/bus/pci/devices';
  const able = list(folder).filter((name) => existsSync(join(folder, name, 'sriov_totalvfs')));
  return able.length === 0
    ? note('SR-IOV', 'no card here has virtual functions', '')
    : able.map((name) => {
        const [now, most] = ['sriov_numvfs', 'sriov_totalvfs'].map((file) =>
          read(join(folder, name, file)),
        );
        return ok('SR-IOV', `${name} has ${now} of ${most} virtual functions`);
      });
};

const groupFiles: Check = () => {
  const closed = list('/dev/vfio')
    .map((name) => `/dev/vfio/${name}`)
    .filter((path) => !mayUse(path) && path !== '/dev/vfio/devices');
  return closed.length === 0
    ? []
    : lacks(
        'vfio files',
        `not open to this user: ${closed.join(', ')}`,
        `sudo chown $USER ${closed.join(' ')}`,
      );
};

const netAdmin = 12;
const netRaw = 13;

const permissions: Check = () => {
  const missing = [
    hasCapability(netAdmin) ? '' : 'CAP_NET_ADMIN (tap, af_xdp)',
    hasCapability(netRaw) ? '' : 'CAP_NET_RAW (af_packet)',
    isRoot ? '' : 'root (vf: drivers and functions)',
  ].filter((what) => what !== '');
  return missing.length === 0
    ? ok('permissions', 'all')
    : note('permissions', `this user lacks ${missing.join(', ')}`, 'run as root, or by sudo');
};

const lockedMemory: Check = () => {
  const soft = /^Max locked memory\s+(\S+)/m.exec(read('/proc/self/limits'))?.[1] ?? 'unlimited';
  return soft === 'unlimited' || isRoot
    ? ok('locked memory', 'no limit')
    : note(
        'locked memory',
        `at most ${soft} bytes: too few for ports of kind vf`,
        'ulimit -l unlimited',
      );
};

const tun: Check = () =>
  existsSync('/dev/net/tun')
    ? ok('TAP', '/dev/net/tun is there')
    : lacks(
        'TAP',
        'no /dev/net/tun: no ports of kind kernel with the driver tap',
        'sudo modprobe tun',
      );

/** A kernel may also load it when the first port asks. */
const macvtap: Check = () =>
  /^ *\d+ macvtap$/m.test(read('/proc/devices'))
    ? ok('veth', 'the kernel has macvtap')
    : note(
        'veth',
        'no macvtap in /proc/devices: ports of kind veth work only where the kernel loads it by itself',
        'sudo modprobe macvtap',
      );

const isolation: Check = () => {
  const isolated = read('/sys/devices/system/cpu/isolated');
  const mend =
    'boot Linux with isolcpus=1-3 nohz_full=1-3, and pin workers there: workers: [{ cpu: 1 }]';
  return isolated === ''
    ? note('CPUs', 'none is isolated: the kernel may interrupt workers', mend)
    : ok('CPUs', `isolated: ${isolated}`);
};

const checks: Check[] = [
  dpdkBuild,
  drivers,
  hugePages,
  permissions,
  tun,
  macvtap,
  iommu,
  vfio,
  groupFiles,
  lockedMemory,
  cards,
  isolation,
];

/** Looks at everything; takes milliseconds. */
export function doctor(): Finding[] {
  return checks.flatMap((check) => check());
}
