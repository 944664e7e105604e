/** Ports over interfaces of the Linux kernel, with real ping and TCP between network namespaces. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { type PortOptions, Switch } from 'memswitch';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { Host, missing } from '../interop/peers.js';
import { endAll, run } from '../interop/processes.js';
import { balance, folder, memif, until } from '../switch/support.js';
import { lacksDpdk, lacksRoot, Namespace, uniqueName } from './support.js';

const why = lacksDpdk() ?? lacksRoot() ?? missing();
const [here, there] = ['10.78.0.1', '10.78.0.2'];

function kernel(driver: string, interface_: string, more: object = {}): PortOptions {
  return { kind: 'kernel', bridge: 'blue', driver, interface: interface_, ...more } as PortOptions;
}

/** An interface of the host whose other end is eth0 in the namespace, as a container has it. */
function veth(inside: Namespace): string {
  const name = uniqueName('mv');
  run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'eth0', 'netns', inside.name);
  onTestFinished(() => {
    run('sh', '-c', `ip link del ${name} 2> /dev/null; true`);
  });
  // The kernel leaves checksums and the cutting of long frames to a device that a veth pair does not have.
  inside.exec('ethtool', '-K', 'eth0', 'tx', 'off');
  return name;
}

afterEach(endAll);

describe.skipIf(why !== undefined)(`kernel${why === undefined ? '' : `: ${why}`}`, () => {
  test('tap: two namespaces, made and gone with the port', { timeout: 60_000 }, async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    const mac = '02:00:00:00:78:01';
    await using sw = await Switch.start({
      ports: {
        left: kernel('tap', 'eth0', { netns: left.name, mac }),
        right: kernel('tap', 'eth0', { netns: right.name, mtu: 1400 }),
      },
    });
    expect(left.exec('ip', '-br', 'link', 'show', 'eth0')).toContain(mac);
    expect(right.exec('ip', 'link', 'show', 'eth0')).toContain('mtu 1400');
    left.address('eth0', here);
    right.address('eth0', there);
    await until('links', () => sw.ports().every(({ link }) => link === 'up'));
    expect(left.ping(there, 1000)).toBe(1000);
    expect(sw.macs({ port: 'left' }).macs.map((entry) => entry.mac)).toEqual([mac]);
    expect(await left.tcp(right, there)).toBeGreaterThan(0);
    await balance(sw);
    await sw.removePort('left');
    expect(left.exec('ip', '-br', 'link')).not.toContain('eth0');
  });

  test('tap: flows are spread over queues, and queues over workers', {
    timeout: 60_000,
  }, async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    await using sw = await Switch.start({
      workers: 2,
      ports: {
        left: kernel('tap', 'eth0', { netns: left.name, queues: 2 }),
        right: kernel('tap', 'eth0', { netns: right.name, queues: 2 }),
      },
    });
    left.address('eth0', here);
    right.address('eth0', there);
    await until('links', () => sw.ports().every(({ link }) => link === 'up'));
    expect(sw.port('left').device).toMatchObject({ queues: 2 });
    expect(await left.tcp(right, there, '4M', '-P', '8')).toBeGreaterThan(0);
    // Each of eight flows and its answers hash to one of two queues.
    expect(sw.workers().map(({ frames }) => frames > 100n)).toEqual([true, true]);
    await balance(sw);
  });

  test('tap: goes with its port, also when a program that was started meanwhile lives on', async () => {
    const inside = new Namespace();
    await using sw = await Switch.start({
      ports: { a: kernel('tap', 'eth0', { netns: inside.name }) },
    });
    const child = spawn('sleep', ['60']);
    onTestFinished(() => {
      child.kill();
    });
    expect(inside.exec('ip', '-br', 'link')).toContain('eth0');
    await sw.removePort('a');
    expect(inside.exec('ip', '-br', 'link')).not.toContain('eth0');
  });

  test('tap: an idle worker sleeps, and wakes for a frame', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    await using sw = await Switch.start({
      ports: {
        left: kernel('tap', 'eth0', { netns: left.name }),
        right: kernel('tap', 'eth0', { netns: right.name }),
      },
    });
    left.address('eth0', here);
    right.address('eth0', there);
    await until('links', () => sw.ports().every(({ link }) => link === 'up'));
    expect(left.ping(there, 5)).toBe(5);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const before = sw.workers()[0]?.loops ?? 0n;
    await new Promise((resolve) => setTimeout(resolve, 500));
    // A worker that polls makes millions of rounds in half a second.
    expect((sw.workers()[0]?.loops ?? 0n) - before).toBeLessThan(100_000n);
    expect(left.ping(there, 5)).toBe(5);
  });

  test.each(['af_packet', 'af_xdp'])('%s: ping and TCP', { timeout: 60_000 }, async (driver) => {
    const [left, right] = [new Namespace(), new Namespace()];
    await using sw = await Switch.start({
      ports: {
        left: kernel(driver, veth(left)),
        right: kernel(driver, veth(right)),
      },
    });
    left.address('eth0', here);
    right.address('eth0', there);
    await until('links', () => sw.ports().every(({ link }) => link === 'up'));
    expect(left.ping(there, 1000)).toBe(1000);
    expect(await left.tcp(right, there)).toBeGreaterThan(0);
    await balance(sw);
  });

  test('tap ↔ memif: ping and TCP with a host behind net_memif', { timeout: 60_000 }, async () => {
    const left = new Namespace();
    const socket = join(folder(), 'memif.sock');
    await using sw = await Switch.start({
      ports: { left: kernel('tap', 'eth0', { netns: left.name }), right: memif(socket) },
    });
    const right = new Host(2, socket);
    onTestFinished(() => right.remove());
    await right.attach();
    left.address('eth0', '10.77.0.1');
    await until('links', () => sw.ports().every(({ link }) => link === 'up'));
    expect(left.ping(right.address, 1000)).toBe(1000);
    const server = right.start('iperf3', '-s', '-1');
    await until('iperf3 listens', () => right.exec('ss', '-Hltn', 'sport = :5201') !== '');
    const { end } = JSON.parse(left.exec('iperf3', '-J', '-c', right.address, '-t', '3'));
    await server.finished();
    expect(end.sum_received.bytes).toBeGreaterThan(0);
  });

  test('a link that goes down and up is told, and floods leave it out', async () => {
    const inside = new Namespace();
    await using sw = await Switch.start({ ports: { a: kernel('af_packet', veth(inside)) } });
    await until('down, as the other end is', () => sw.port('a').link === 'down');
    const events = sw.events();
    inside.exec('ip', 'link', 'set', 'eth0', 'up');
    await until('up', () => sw.port('a').link === 'up');
    inside.exec('ip', 'link', 'set', 'eth0', 'down');
    await until('down', () => sw.port('a').link === 'down');
    expect((await events.next()).value).toMatchObject({ type: 'link-up', port: 'a' });
    expect((await events.next()).value).toMatchObject({ type: 'link-down', port: 'a' });
  });

  test('an interface that goes away under traffic costs its port, not the switch', async () => {
    const [left, right, third] = [new Namespace(), new Namespace(), new Namespace()];
    const outside = veth(left);
    await using sw = await Switch.start({
      ports: {
        left: kernel('af_packet', outside),
        right: kernel('tap', 'eth0', { netns: right.name }),
        third: kernel('tap', 'eth0', { netns: third.name }),
      },
    });
    left.address('eth0', here);
    right.address('eth0', there);
    third.address('eth0', '10.78.0.3');
    await until('links', () => sw.ports().every(({ link }) => link === 'up'));
    const flood = right.start('ping', '-q', '-f', here);
    await until('traffic', () => sw.port('left').tx.frames > 1000n);
    run('ip', 'link', 'del', outside);
    await until('noticed', () => sw.port('left').link === 'down');
    expect(sw.port('left').lastError).toBe('the device has gone away');
    await flood.end();
    expect(right.ping('10.78.0.3', 100)).toBe(100);
    await sw.removePort('left');
    expect(sw.ports().map(({ name }) => name)).toEqual(['right', 'third']);
  });

  test('a bond takes frames by turns, and goes away with its members', {
    timeout: 60_000,
  }, async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    const [first, second] = [uniqueName('net_tap'), uniqueName('net_tap')];
    const members = [`${first},iface=t1`, `${second},iface=t2`];
    const bond: PortOptions = {
      ...{ kind: 'ethdev', bridge: 'blue', netns: right.name, members },
      devargs: `${uniqueName('net_bonding')},mode=0`,
    };
    await using sw = await Switch.start({
      ports: { left: kernel('tap', 'eth0', { netns: left.name }), bond },
    });
    expect(sw.port('bond').options).toMatchObject({ members: members.join(' ') });
    left.address('eth0', here);
    right.exec('ip', 'link', 'add', 'both', 'type', 'bridge');
    for (const end of ['t1', 't2']) {
      right.exec('ip', 'link', 'set', end, 'master', 'both', 'up');
      // What comes by one must not go back by the other.
      right.exec('ip', 'link', 'set', end, 'type', 'bridge_slave', 'isolated', 'on');
    }
    right.address('both', there);
    await until('the link', () => sw.port('bond').link === 'up');
    await until('a way', () => left.reaches(there));
    expect(left.ping(there, 200)).toBe(200);
    for (const end of ['t1', 't2']) {
      const received = right.exec('cat', `/sys/class/net/${end}/statistics/rx_packets`);
      expect(Number(received)).toBeGreaterThanOrEqual(100);
    }
    await expect(
      sw.addPort('again', { ...bond, devargs: uniqueName('net_bonding') }),
    ).rejects.toThrow(`another port has the device ${first}`);
    await sw.removePort('bond');
    expect(right.exec('ip', '-br', 'link')).not.toMatch(/t1|t2/);
    await sw.addPort('bond', bond);
    expect(right.exec('ip', '-br', 'link')).toMatch(/t1.*\n.*t2/);
  });

  test('mistakes are told in words', async () => {
    await using sw = await Switch.start();
    const refusals: [PortOptions, string][] = [
      [kernel('af_packet', 'nonesuch'), 'no interface "nonesuch" in this network namespace'],
      [kernel('tap', 'a name'), 'ports.p.interface: must be the name of an interface'],
      [kernel('tun', 'x'), 'ports.p.driver: must be one of: tap, af_packet, af_xdp'],
      [kernel('af_packet', 'lo', { mtu: 9000 }), 'ports.p.mtu: must be an integer from 68 to 1500'],
      [kernel('tap', 'x', { mac: '01:00:00:00:00:01' }), 'ports.p.mac: must be the address of one'],
      [kernel('tap', 'lo'), 'port "p": cannot'],
    ];
    for (const [options, words] of refusals) {
      await expect(sw.addPort('p', options)).rejects.toThrow(words);
    }
    expect(sw.ports()).toEqual([]);
    await balance(sw);
  });
});
