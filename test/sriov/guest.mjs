/**
 * Runs inside the lab's virtual machine: ports over virtual functions of its card, with the kernel as their peer. Prints
 * `check NAME: ok`, or what went wrong, a line each; sriov.test.ts holds that all are there and ok.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Switch } from '../../dist/switch/index.js';

const { SRIOV_PF: card = '', SRIOV_PCI: cardAddress = '' } = process.env;
const [first, second] = ['0000:01:10.0', '0000:01:10.2'];
const mac = (last) => `02:00:00:00:00:${last}`;

function run(command, ...args) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const inside = (netns, ...args) => run('ip', 'netns', 'exec', netns, ...args);

function driverOf(address) {
  const link = `/sys/bus/pci/devices/${address}/driver`;
  return existsSync(link) ? basename(readlinkSync(link)) : '';
}

function assert(condition, what) {
  if (!condition) {
    throw new Error(what);
  }
}

async function until(what, done, seconds = 60) {
  for (const end = performance.now() + seconds * 1000; !done(); await delay(50)) {
    assert(performance.now() < end, `waited ${seconds} s in vain: ${what}`);
  }
}

async function refused(promise, ...words) {
  const message = await promise.then(
    () => 'nothing was refused',
    (error) => error.message,
  );
  for (const word of words) {
    assert(message.includes(word), `no "${word}" in: ${message}`);
  }
}

/** A host in a namespace, behind a TAP of ours with the address of a virtual function: the card lets no other pass. */
function host(netns, last, address) {
  run('ip', 'netns', 'add', netns);
  return {
    options: {
      kind: 'kernel',
      bridge: netns,
      driver: 'tap',
      interface: 'eth0',
      netns,
      mac: mac(last),
    },
    start: () => inside(netns, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0'),
  };
}

function ping(netns, to, count = 20) {
  const text = inside(netns, 'ping', '-q', '-c', `${count}`, '-i', '0.1', '-W', '10', to);
  return Number(/(\d+) received/.exec(text)?.[1]);
}

async function tcp(netns, address) {
  const server = spawn('iperf3', ['-s', '-1'], { stdio: 'ignore' });
  await until('iperf3 listens', () => run('ss', '-Hltn', 'sport = :5201') !== '');
  const { end } = JSON.parse(inside(netns, 'iperf3', '-J', '-c', address, '-t', '3'));
  server.kill('SIGKILL');
  return end.sum_received.bytes;
}

/** A switch for as long as `body` runs. */
async function withSwitch(options, body) {
  const sw = await Switch.start(options);
  try {
    await body(sw);
  } finally {
    await sw.close();
  }
}

const checks = [];
const check = (name, body) => checks.push([name, body]);

async function main() {
  let failed = 0;
  for (const [name, body] of checks) {
    const why = await body().then(
      () => 'ok',
      (error) => `FAILED: ${(error.stderr || error.message).trim().replaceAll('\n', ' | ')}`,
    );
    failed += why === 'ok' ? 0 : 1;
    console.log(`check ${name}: ${why}`);
  }
  process.exit(failed > 0 ? 1 : 0);
}

if (process.argv[2] === 'crash') {
  await Switch.start({ ports: { v: { kind: 'vf', bridge: 'b', device: first } } });
  console.log('up');
} else if (process.argv[2] === 'no-iommu') {
  check('a missing IOMMU is told, with what to do', () =>
    withSwitch({}, async (sw) => {
      const port = { kind: 'vf', bridge: 'b', pf: card, vf: 0, vfs: 1 };
      await refused(sw.addPort('v', port), 'is behind no IOMMU', 'intel_iommu=on');
      assert(driverOf(first) === 'igbvf', `${first} has the driver "${driverOf(first)}"`);
    }),
  );
  await main();
} else if (process.argv[2] === 'virtio') {
  const [left, right] = [host('left', '20', '10.0.0.20'), host('right', '21', '10.0.0.21')];
  let sw;
  check('functions are made and taken; what the card cannot set is told', async () => {
    sw = await Switch.start();
    const common = { kind: 'vf', pf: card, vfs: 2 };
    const withMac = { ...common, bridge: 'left', vf: 0, mac: mac('12') };
    await refused(sw.addPort('one', withMac), `the card ${card} refuses`, 'mac');
    await sw.addPort('one', { ...common, bridge: 'left', vf: 0 });
    // The one by its filters alone, the other by its being promiscuous.
    const filters = { promiscuous: false, addresses: [mac('21')] };
    await sw.addPort('two', { ...common, bridge: 'right', vf: 1, ...filters });
    await sw.addPort('left', left.options);
    await sw.addPort('right', right.options);
    left.start();
    right.start();
    await until('links', () => sw.ports().every(({ link }) => link === 'up'));
    const { driver, promiscuous } = sw.port('one').device;
    assert(driver === 'net_virtio' && promiscuous, `${driver}, promiscuous ${promiscuous}`);
    assert(!sw.port('two').device.promiscuous, 'promiscuous without being asked');
  });

  check('ping and TCP between functions: none lost', async () => {
    assert(ping('left', '10.0.0.21') === 20, 'left to right');
    const server = spawn('ip', ['netns', 'exec', 'right', 'iperf3', '-s', '-1']);
    await until('iperf3 listens', () => inside('right', 'ss', '-Hltn', 'sport = :5201') !== '');
    const { end } = JSON.parse(inside('left', 'iperf3', '-J', '-c', '10.0.0.21', '-t', '2'));
    server.kill('SIGKILL');
    assert(end.sum_received.bytes > 0, 'no bytes');
    console.log(
      `TCP over virtio functions in software emulation: ${(end.sum_received.bytes * 8) / 2e6} Mbit/s`,
    );
  });

  check('closing gives the functions back', async () => {
    await sw.close();
    await until('virtio-pci', () => driverOf('0000:01:00.1') === 'virtio-pci', 5);
  });
  await main();
} else {
  const [left, right] = [host('left', '10', '10.0.0.10'), host('right', '11', '10.0.0.11')];
  run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', card);

  check('a card without functions, and what it does not have, are told', () =>
    withSwitch({}, async (sw) => {
      const vf = (more) => sw.addPort('v', { kind: 'vf', bridge: 'b', ...more });
      await refused(vf({ pf: card, vf: 0 }), 'has no virtual functions yet', 'sriov_numvfs');
      await refused(vf({ pf: card, vf: 0, vfs: 200 }), 'can have 7 virtual functions, not 200');
      await refused(vf({ pf: 'nowhere0', vf: 0 }), 'no interface "nowhere0"', 'ip -br link');
      await refused(vf({ device: '0000:01:1f.7' }), 'no PCI device has the address 0000:01:1f.7');
      const disabled = vf({ pf: card, vf: 0, vfs: 2, linkState: 'disable' });
      await refused(disabled, `the card ${card} refuses`, 'state disable');
      await refused(vf({ device: cardAddress }), `is the interface ${card}, which is up`);
      assert(sw.ports().length === 0, 'a port is left');
    }),
  );

  check('a function in a group with devices that others use is told', () =>
    withSwitch({}, async (sw) => {
      // The chipset's disk controller, in one group with its SMBus.
      const port = { kind: 'vf', bridge: 'b', device: '0000:00:1f.2' };
      await refused(sw.addPort('v', port), 'is in IOMMU group', 'i801_smbus', 'whole groups');
      assert(driverOf('0000:00:1f.3') === 'i801_smbus', 'the SMBus was taken');
    }),
  );

  check('what the card is told of a function', () =>
    withSwitch({}, async (sw) => {
      const port = { kind: 'vf', bridge: 'b', pf: card, vf: 1, vfs: 2 };
      const told = () => run('ip', '-d', 'link', 'show', card).match(/vf 1 .*/)?.[0] ?? '';
      const settings = { vlan: 100, trust: true, spoofCheck: false, rate: 300, mac: mac('12') };
      await sw.addPort('v', { ...port, ...settings });
      for (const word of [mac('12'), 'vlan 100', 'spoof checking off', 'trust on', '300Mbps']) {
        assert(told().includes(word), `no "${word}" in: ${told()}`);
      }
      await sw.removePort('v');
      await sw.addPort('v', { ...port, vlan: 0, trust: false, spoofCheck: true, rate: 0 });
      for (const word of ['spoof checking on', 'trust off']) {
        assert(told().includes(word), `no "${word}" in: ${told()}`);
      }
      assert(!/vlan|Mbps/.test(told()), told());
    }),
  );

  let sw;
  check('functions are made, set up on the card, and taken', async () => {
    const common = { kind: 'vf', pf: card, vfs: 2, promiscuous: false };
    // Static, because the emulated card gives a function its own broadcasts back, as if the sender were behind it.
    sw = await Switch.start({
      bridges: {
        left: { static: { [mac('10')]: 'left' } },
        right: { static: { [mac('11')]: 'right' } },
      },
      ports: {
        one: { ...common, bridge: 'left', vf: 0, mac: mac('10'), trust: true },
        two: { ...common, bridge: 'right', vf: 1, mac: mac('11') },
        left: left.options,
        right: right.options,
      },
    });
    left.start();
    right.start();
    assert(driverOf(first) === 'vfio-pci' && driverOf(second) === 'vfio-pci', 'not by vfio-pci');
    assert(run('ip', 'link', 'show', card).includes(`vf 0     link/ether ${mac('10')}`), 'no MAC');
    await until('links', () => sw.ports().every(({ link }) => link === 'up'));
    const { driver, mac: address } = sw.port('one').device;
    assert(driver === 'net_e1000_igb_vf' && address === mac('10'), `${driver} ${address}`);
  });

  check('ping: function and card, function and function: none lost', async () => {
    assert(ping('left', '10.0.0.1') === 20, 'left to the card');
    assert(ping('right', '10.0.0.1') === 20, 'right to the card');
    assert(ping('left', '10.0.0.11') === 20, 'left to right');
  });

  check('TCP between a function and the card', async () => {
    const bytes = await tcp('left', '10.0.0.1');
    assert(bytes > 0, 'no bytes');
    console.log(`TCP over a function in software emulation: ${(bytes * 8) / 3e6} Mbit/s`);
  });

  check('function ↔ memif ↔ another switch', async () => {
    const socket = { kind: 'memif', socket: '/tmp/memif.sock', bridge: 'right' };
    await sw.removePort('right');
    await sw.addPort('link', socket);
    await sw.addStaticMac('right', mac('11'), 'link');
    const ports = { link: { ...socket, role: 'client' }, right: right.options };
    const bridges = { right: { static: { [mac('11')]: 'right' } } };
    await withSwitch({ bridges, ports }, async (other) => {
      right.start();
      await until('links', () => other.ports().every(({ link }) => link === 'up'));
      assert(ping('right', '10.0.0.1') === 20, 'right to the card');
    });
    await sw.removePort('link');
  });

  check('a function in use by another process is told', async () => {
    const code =
      'require("fs").openSync(process.argv[1], "r+"); console.log("held"); setInterval(() => {}, 1e6)';
    await sw.removePort('two');
    writeFileSync(`/sys/bus/pci/devices/${second}/driver_override`, 'vfio-pci');
    writeFileSync(`/sys/bus/pci/devices/${second}/driver/unbind`, second);
    writeFileSync('/sys/bus/pci/drivers_probe', second);
    const group = basename(readlinkSync(`/sys/bus/pci/devices/${second}/iommu_group`));
    const holder = spawn(process.execPath, ['-e', code, `/dev/vfio/${group}`]);
    let text = '';
    holder.stdout.on('data', (more) => {
      text += more;
    });
    await until('held', () => text.includes('held'));
    const taken = sw.addPort('two', { kind: 'vf', bridge: 'b', device: second });
    await refused(taken, 'is in use by another process', 'fuser');
    holder.kill('SIGKILL');
  });

  check(
    'a function that is unbound under traffic costs its port only, and comes back',
    async () => {
      const flood = spawn('ip', ['netns', 'exec', 'left', 'ping', '-q', '-f', '10.0.0.1']);
      const frames = sw.port('one').tx.frames;
      await until('traffic', () => sw.port('one').tx.frames > frames + 100n);
      // In a process of its own: the kernel lets it wait until we have let go.
      spawn('sh', ['-c', `echo ${first} > /sys/bus/pci/drivers/vfio-pci/unbind`]);
      await until('down', () => sw.port('one').link === 'down');
      await until('unbound', () => driverOf(first) === '');
      assert(sw.port('one').lastError === 'the device has gone away', sw.port('one').lastError);
      flood.kill('SIGKILL');
      await sw.removePort('one');
      await sw.addPort('one', { kind: 'vf', bridge: 'left', device: first, promiscuous: false });
      await until('the link', () => sw.port('one').link === 'up');
      assert(ping('left', '10.0.0.1') === 20, 'left to the card');
    },
  );

  check('closing puts the former drivers back', async () => {
    await sw.close();
    await until('igbvf', () => driverOf(first) === 'igbvf', 5);
  });

  check('all functions taken from the card under traffic cost their ports only', async () => {
    const ports = {
      one: { kind: 'vf', bridge: 'left', device: first, promiscuous: false },
      left: left.options,
    };
    const bridges = { left: { static: { [mac('10')]: 'left' } } };
    await withSwitch({ bridges, ports }, async (sw) => {
      left.start();
      await until('links', () => sw.ports().every(({ link }) => link === 'up'));
      const flood = spawn('ip', ['netns', 'exec', 'left', 'ping', '-q', '-f', '10.0.0.1']);
      await until('traffic', () => sw.port('one').tx.frames > 100n);
      spawn('sh', ['-c', `echo 0 > /sys/bus/pci/devices/${cardAddress}/sriov_numvfs`]);
      await until('down', () => sw.port('one').link === 'down');
      await until('gone', () => !existsSync(`/sys/bus/pci/devices/${first}`));
      assert(sw.port('one').lastError === 'the device has gone away', sw.port('one').lastError);
      flood.kill('SIGKILL');
      await sw.removePort('one');
      assert(sw.port('left').link === 'up', 'the TAP is down');
    });
    writeFileSync(`/sys/bus/pci/devices/${cardAddress}/sriov_numvfs`, '2');
    await until('igbvf', () => driverOf(first) === 'igbvf');
  });

  check('so does the next start after a crash', async () => {
    const child = spawn(process.execPath, [import.meta.filename, 'crash']);
    let text = '';
    child.stdout.on('data', (more) => {
      text += more;
    });
    await until('the other switch is up', () => text.includes('up'));
    assert(driverOf(first) === 'vfio-pci', `driver ${driverOf(first)}`);
    const exit = new Promise((resolve) => child.on('exit', resolve));
    child.kill('SIGKILL');
    await exit;
    assert(driverOf(first) === 'vfio-pci', `driver ${driverOf(first)} after the crash`);
    await withSwitch({}, async () => {
      assert(driverOf(first) === 'igbvf', `driver ${driverOf(first)} after the start`);
    });
  });
  await main();
}
