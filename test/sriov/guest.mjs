/**
 * Runs inside the lab's virtual machine: ports over virtual functions of its card, with the kernel as their peer. Prints
 * `check NAME: ok`, or what went wrong, a line each; sriov.test.ts holds that all are there and ok.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { doctor, Switch } from '../../dist/switch/index.js';

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

/** A command for the monitor of the QEMU that we run in. */
function monitor(command) {
  writeFileSync('/dev/ttyS1', `${command}\n`);
}

/** Holds that the worker, left alone for a second, sleeps nearly all of it. */
async function expectSleep(sw) {
  const rounds = () => sw.workers()[0].loops;
  await delay(500);
  const before = rounds();
  await delay(1000);
  // One that polls makes a hundred thousand rounds in a second even here.
  assert(rounds() - before < 2000n, `${rounds() - before} rounds in a second`);
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

function expectFinding(subject, level, found, mend = '') {
  const findings = doctor().filter((finding) => finding.subject === subject);
  const fits = findings.some(
    (finding) =>
      finding.level === level && finding.found.includes(found) && finding.mend.includes(mend),
  );
  assert(fits, `doctor: ${JSON.stringify(findings)}`);
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
      expectFinding('IOMMU', 'note', 'none', 'intel_iommu=on');
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

  check('an idle worker sleeps until an interrupt of a function: nothing lost', async () => {
    const functions = ['one', 'two'].map((name) => sw.port(name).device);
    assert(
      functions.every(({ wake }) => wake === 'interrupt'),
      functions[0].wake,
    );
    await expectSleep(sw);
    const { sleeps } = sw.workers()[0];
    assert(ping('left', '10.0.0.21') === 20, 'left to right');
    assert(sw.workers()[0].sleeps - sleeps >= 20n, 'it did not sleep between the packets');
  });

  check('a link that goes down and up is told by its interrupt', async () => {
    const { linkInterrupts: before } = sw.port('one').device;
    monitor('set_link vf0 off');
    await until('down', () => sw.port('one').link === 'down');
    assert(sw.port('one').lastError === "the device's link is down", sw.port('one').lastError);
    monitor('set_link vf0 on');
    await until('up', () => sw.port('one').link === 'up');
    const { linkInterrupts } = sw.port('one').device;
    assert(linkInterrupts - before === 2, `${linkInterrupts - before} interrupts`);
    assert(sw.port('two').device.linkInterrupts === 0, 'the other one told something');
    assert(ping('left', '10.0.0.21') === 20, 'left to right');
  });

  check('closing gives the functions back', async () => {
    await sw.close();
    await until('virtio-pci', () => driverOf('0000:01:00.1') === 'virtio-pci', 5);
  });

  check('a bond of functions goes on over the other when one is cut', async () => {
    const members = ['0000:01:00.1', '0000:01:00.2'];
    for (const member of members) {
      writeFileSync(`/sys/bus/pci/devices/${member}/driver_override`, 'vfio-pci');
      writeFileSync(`/sys/bus/pci/devices/${member}/driver/unbind`, member);
      writeFileSync('/sys/bus/pci/drivers_probe', member);
    }
    run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', card);
    run('ip', 'link', 'set', card, 'up');
    const devargs = `net_bonding0,mode=1,primary=${members[0]}`;
    const bond = { kind: 'ethdev', bridge: 'left', devargs, members };
    await withSwitch({ ports: { left: left.options, bond } }, async (sw) => {
      left.start();
      // All are plugged in one hub, so what one member sends to everybody the other hears.
      await sw.addStaticMac('left', mac('20'), 'left');
      await until('the link', () => sw.port('bond').link === 'up');
      assert(ping('left', '10.0.0.1') === 20, 'left to the card by the first');
      monitor('set_link vf0 off');
      await delay(1000);
      assert(ping('left', '10.0.0.1') === 20, 'left to the card by the second');
      assert(sw.port('bond').link === 'up', 'the bond is down');
      monitor('set_link vf1 off');
      await until('both are down', () => sw.port('bond').link === 'down');
      monitor('set_link vf1 on');
      await until('one is up', () => sw.port('bond').link === 'up');
      assert(ping('left', '10.0.0.1') === 20, 'left to the card by the second again');
    });
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

  check('the doctor finds the card, its IOMMU and vfio, and counts the functions', async () => {
    expectFinding('IOMMU', 'ok', 'groups');
    expectFinding('vfio', 'ok', 'loaded');
    expectFinding('SR-IOV', 'ok', `${cardAddress} has 2 of 7 virtual functions`);
  });

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

  check('a function without interrupts lets a worker doze: nothing lost', async () => {
    assert(sw.port('one').device.wake === 'timer', sw.port('one').device.wake);
    await delay(500);
    const { sleeps } = sw.workers()[0];
    assert(ping('left', '10.0.0.1') === 20, 'left to the card');
    assert(sw.workers()[0].sleeps - sleeps >= 20n, 'it did not sleep between the packets');
  });

  check('a link of the card that goes down and up is seen at its functions', async () => {
    monitor('set_link pf off');
    await until('down', () => sw.port('one').link === 'down');
    monitor('set_link pf on');
    await until('up', () => sw.port('one').link === 'up' && sw.port('two').link === 'up');
    assert(ping('left', '10.0.0.1') === 20, 'left to the card');
  });

  check('a trunk over a function: the card lets its VLANs in, and no others', async () => {
    run('ip', 'link', 'add', 'card200', 'link', card, 'type', 'vlan', 'id', '200');
    run('ip', 'addr', 'add', '10.2.0.1/24', 'dev', 'card200');
    run('ip', 'link', 'set', 'card200', 'up');
    inside('right', 'ip', 'addr', 'add', '10.2.0.11/24', 'dev', 'eth0');
    await sw.addBridge('vlans', { vlans: true });
    await sw.setPort('right', { bridge: 'vlans', access: 200 });
    await sw.setPort('two', { bridge: 'vlans', trunk: [200, '300-309'] });
    await sw.addStaticMac('vlans', mac('11'), 'right');
    const { filtersVlans, refusedVlans } = sw.port('two').device;
    assert(filtersVlans && refusedVlans === 0, `filters ${filtersVlans}, refused ${refusedVlans}`);
    assert(ping('right', '10.2.0.1') === 20, 'right to the card in VLAN 200');
    // The port no longer carries it: what comes is dropped by the card, not here.
    await sw.setPort('two', { trunk: ['300-309'] });
    const { vlan: dropped } = sw.port('two').drops;
    spawn('ping', ['-c', '3', '10.2.0.77']); // who has it? 3 times, to everybody
    await delay(4000);
    assert(sw.port('two').drops.vlan === dropped, 'frames of VLAN 200 came in');
    await sw.setPort('two', { trunk: [200] });
    assert(ping('right', '10.2.0.1') === 20, 'right to the card in VLAN 200 again');
    await sw.setPort('two', { bridge: 'right', trunk: null });
    await sw.setPort('right', { bridge: 'right', access: null });
    await sw.addStaticMac('right', mac('11'), 'right'); // it went with the port
    await sw.removeBridge('vlans');
  });

  check('a VLAN that the card puts a function in: its frames have no tag here', async () => {
    run('ip', 'link', 'add', 'card100', 'link', card, 'type', 'vlan', 'id', '100');
    run('ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'card100');
    run('ip', 'link', 'set', 'card100', 'up');
    inside('right', 'ip', 'addr', 'add', '10.1.0.11/24', 'dev', 'eth0');
    await sw.removePort('two');
    const port = { kind: 'vf', bridge: 'right', pf: card, vf: 1, promiscuous: false };
    await sw.addPort('two', { ...port, mac: mac('11'), vlan: 100 });
    await until('the link', () => sw.port('two').link === 'up');
    assert(ping('right', '10.1.0.1') === 20, 'right to the card in VLAN 100');
    await sw.removePort('two');
    await sw.addPort('two', { ...port, mac: mac('11'), vlan: 0 });
    await until('the link', () => sw.port('two').link === 'up');
    assert(ping('right', '10.0.0.1') === 20, 'right to the card without');
  });

  check('a tunnel over a function, its checksums filled in and checked by the card', async () => {
    const { checksRx, checksTx } = sw.port('two').device;
    assert(checksRx && checksTx, `checks ${checksRx}, fills in ${checksTx}`);
    const vxlan = ['id', '7', 'local', '10.0.0.1', 'remote', '10.0.0.12', 'dstport', '4789'];
    run('ip', 'link', 'add', 'vx0', 'type', 'vxlan', ...vxlan, 'udpcsum', 'dev', card);
    run('ip', 'addr', 'add', '10.3.0.1/24', 'dev', 'vx0');
    run('ip', 'link', 'set', 'vx0', 'up');
    inside('right', 'ip', 'addr', 'add', '10.3.0.11/24', 'dev', 'eth0');
    const ends = { local: '10.0.0.12', remotes: ['10.0.0.1'], mac: mac('11') };
    await sw.addPort('wan', {
      ...{ kind: 'vxlan', bridge: 'right', underlay: 'two', vni: 7, udpChecksum: true },
      ...ends,
    });
    assert(ping('right', '10.3.0.1') === 20, 'right to the card through the tunnel');
    const { tx, drops } = sw.port('wan');
    assert(tx.frames >= 20n && drops.bad_outer_checksum === 0n, `${tx.frames} frames sent`);
    await sw.removePort('wan');
    run('ip', 'link', 'del', 'vx0');
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
