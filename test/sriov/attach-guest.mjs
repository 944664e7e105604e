/**
 * Runs inside the lab's virtual machine: the CNI plugin hands virtual functions to pods, or to the switch. Prints
 * `check NAME: ok`, or what went wrong, a line each; attach.test.ts holds that all are there and ok.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { basename, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

const root = join(import.meta.dirname, '../..');
const { SRIOV_PF: card = '', SRIOV_PCI: cardAddress = '' } = process.env;
const [first, second] = ['0000:01:10.0', '0000:01:10.2'];
const [oneMac, twoMac] = ['02:00:00:00:00:10', '02:00:00:00:00:11'];
const api = '/tmp/api.sock';

const run = (command, ...args) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const inside = (netns, ...args) => run('ip', 'netns', 'exec', netns, ...args);

function assert(condition, what) {
  if (!condition) {
    throw new Error(what);
  }
}

async function until(what, done, seconds = 60) {
  for (const end = performance.now() + seconds * 1000; !(await done()); await delay(50)) {
    assert(performance.now() < end, `waited ${seconds} s in vain: ${what}`);
  }
}

function driverOf(address) {
  const link = `/sys/bus/pci/devices/${address}/driver`;
  return existsSync(link) ? basename(readlinkSync(link)) : '';
}

/** The kernel's interface over a function, where it is in our namespace. */
function interfaceOf(address) {
  const folder = `/sys/bus/pci/devices/${address}/net`;
  return existsSync(folder) ? readdirSync(folder)[0] : undefined;
}

function bind(address, driver) {
  writeFileSync(`/sys/bus/pci/devices/${address}/driver_override`, driver);
  writeFileSync(`/sys/bus/pci/devices/${address}/driver/unbind`, address);
  writeFileSync('/sys/bus/pci/drivers_probe', address);
}

function conf(more) {
  const ipam = { type: 'host-local', dataDir: '/tmp/leases', subnet: '10.0.0.0/24' };
  const common = { cniVersion: '1.1.0', name: 'functions', bridge: 'blue', api };
  return { ...common, ipam: { ...ipam, rangeStart: '10.0.0.10' }, ...more };
}

/** The plugin as a runtime starts it. */
function plugin(command, config, pod, refused = false) {
  const env = {
    ...process.env,
    CNI_COMMAND: command,
    CNI_CONTAINERID: pod,
    CNI_NETNS: pod && `/run/netns/${pod}`,
    CNI_IFNAME: pod && 'net1',
    CNI_PATH: '/usr/lib/cni',
  };
  const input = JSON.stringify(config);
  const { status, stdout } = spawnSync(join(root, 'build/Release/memswitch-cni'), {
    env,
    input,
    encoding: 'utf8',
  });
  assert((status === 0) !== refused, `${command} ended with ${status}: ${stdout}`);
  return stdout === '' ? undefined : JSON.parse(stdout);
}

function ping(netns, to) {
  const text = inside(netns, 'ping', '-q', '-c', '20', '-i', '0.1', '-W', '10', to);
  return Number(/(\d+) received/.exec(text)?.[1]);
}

/** Of the daemon. Not by the command, whose start takes seconds in here. */
async function show(what) {
  const sent = request({ socketPath: api, path: `/v1/${what}` }).end();
  const [answer] = await once(sent, 'response');
  return JSON.parse(await text(answer));
}

async function expectNothing() {
  assert((await show('attachments')).length === 0, 'an attachment is left');
  assert((await show('ports')).length === 0, 'a port is left');
  const leases = existsSync('/tmp/leases/functions') ? readdirSync('/tmp/leases/functions') : [];
  assert(!leases.some((it) => it.startsWith('10.')), `addresses are left: ${leases}`);
}

const checks = [];
const check = (name, body) => checks.push([name, body]);

check('a function is handed to a pod as its interface, and comes back', async () => {
  run('ip', 'netns', 'add', 'pod');
  const config = conf({ kind: 'vf', deviceID: first });
  const result = plugin('ADD', config, 'pod');
  const [made] = result.interfaces;
  const { name, mac, mtu, pciID, sandbox } = made;
  const told = JSON.stringify(made);
  assert(name === 'net1' && pciID === first && sandbox === '/run/netns/pod', told);
  assert(mac === oneMac && mtu === 1500, told);
  const shown = inside('pod', 'ip', 'address', 'show', 'net1');
  assert(shown.includes(oneMac) && shown.includes('10.0.0.10/24'), shown);
  await until('carrier', () => inside('pod', 'ip', 'link', 'show', 'net1').includes('LOWER_UP'));
  assert(ping('pod', '10.0.0.1') === 20, 'pod to the card');
  plugin('CHECK', { ...config, prevResult: result }, 'pod');
  assert(JSON.stringify(plugin('ADD', config, 'pod').interfaces) === `[${told}]`, 'ADD again');
  plugin('DEL', { ...config, prevResult: result }, 'pod');
  await until('it is back', () => interfaceOf(first) !== undefined);
  assert(!inside('pod', 'ip', '-br', 'link').includes('net1'), 'net1 is left in the pod');
  plugin('DEL', config, 'pod');
  await expectNothing();
});

check('a function whose pod dies without a word is collected', async () => {
  const config = conf({ kind: 'vf', deviceID: first });
  plugin('ADD', config, 'pod');
  assert(interfaceOf(first) === undefined, 'it is still here');
  run('ip', 'netns', 'del', 'pod');
  await until('the kernel gives it back', () => interfaceOf(first) !== undefined);
  plugin('GC', { ...config, 'cni.dev/valid-attachments': [] }, '');
  await expectNothing();
  run('ip', 'netns', 'add', 'pod');
  plugin('ADD', config, 'pod');
  plugin('DEL', config, 'pod');
  await expectNothing();
});

check('a function bound to vfio-pci is the pod’s device, without an interface', async () => {
  bind(second, 'vfio-pci');
  const CNIDeviceInfoFile = '/tmp/info.json';
  const config = conf({ kind: 'vf', deviceID: second, runtimeConfig: { CNIDeviceInfoFile } });
  const result = plugin('ADD', config, 'pod');
  assert(result.interfaces[0].pciID === second, JSON.stringify(result));
  assert(run('cat', CNIDeviceInfoFile).includes(`"pci-address":"${second}"`), 'device info');
  plugin('CHECK', { ...config, prevResult: result }, 'pod');
  plugin('DEL', config, 'pod');
  assert(driverOf(second) === 'vfio-pci' && !existsSync(CNIDeviceInfoFile), 'after DEL');
  await expectNothing();
  bind(second, 'igbvf');
});

check('a function that the switch holds carries another pod’s frames', async () => {
  // Vepa: the emulated card gives a function its own broadcasts back, as if the pod were behind it.
  const pod = conf({ kind: 'kernel', mac: twoMac, mode: 'vepa' });
  const port = { promiscuous: false };
  const held = conf({ kind: 'vf', deviceID: second, holder: 'switch', port, ipam: undefined });
  run('ip', 'netns', 'add', 'uplink');
  const [made] = plugin('ADD', held, 'uplink').interfaces;
  assert(made.pciID === second && made.mac === twoMac, JSON.stringify(made));
  assert(driverOf(second) === 'vfio-pci', driverOf(second));
  plugin('ADD', pod, 'pod');
  await until('links', async () => (await show('ports')).every(({ link }) => link === 'up'));
  assert(ping('pod', '10.0.0.1') === 20, 'pod to the card');
  plugin('CHECK', held, 'uplink');
  plugin('DEL', held, 'uplink');
  await until('igbvf', () => driverOf(second) === 'igbvf');
  plugin('DEL', pod, 'pod');
  await expectNothing();
});

check('what cannot be is told', async () => {
  const { msg } = plugin('ADD', conf({ kind: 'vf', deviceID: '0000:01:1f.7' }), 'pod', true);
  assert(/no PCI device has the address 0000:01:1f\.7/.test(msg), msg);
  const limited = { kind: 'vf', deviceID: first, bandwidth: { ingressRate: 1000 } };
  const refusal = plugin('ADD', conf(limited), 'pod', true).msg;
  assert(refusal.includes('give the vf the "holder" switch'), refusal);
  await expectNothing();
});

run('ip', 'addr', 'add', '10.0.0.1/24', 'dev', card);
writeFileSync(`/sys/bus/pci/devices/${cardAddress}/sriov_numvfs`, '2');
await until('igbvf', () => interfaceOf(first) !== undefined && interfaceOf(second) !== undefined);
[oneMac, twoMac].forEach((mac, i) => {
  run('ip', 'link', 'set', card, 'vf', `${i}`, 'mac', mac);
});
for (const address of [first, second]) {
  bind(address, 'igbvf'); // so that its driver reads the new address
}
const daemon = spawn(
  process.execPath,
  [join(root, 'dist/switch/cli/main.js'), 'run', '--api', api],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
);
let output = '';
daemon.stdout.on('data', (text) => {
  output += text;
});
await until('the daemon is ready', () => output.includes('memswitch ready'));
for (const [name, body] of checks) {
  const why = await body().then(
    () => 'ok',
    (error) => `FAILED: ${(error.stderr || error.message).trim().replaceAll('\n', ' | ')}`,
  );
  console.log(`check ${name}: ${why}`);
}
process.exit(0);
