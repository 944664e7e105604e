/** Ports over devices that DPDK makes of nothing: content, counts, removal, leaks, and words when it fails. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type PortOptions, Switch, SwitchError } from 'memswitch';
import { describe, expect, test } from 'vitest';
import { native } from '../../dist/switch/native.js';
import { Metrics } from '../../switch/metrics/index.js';
import { folder, memif, until } from '../switch/support.js';
import { frame, lacksDpdk, readCapture, uniqueName, writeCapture } from './support.js';

const why = lacksDpdk();
const isRoot = process.getuid?.() === 0;
const base = '/usr/lib/x86_64-linux-gnu/dpdk';
const drivers = join(base, existsSync(base) ? (readdirSync(base)[0] ?? '') : '');

function ethdev(devargs: string, more: object = {}): PortOptions {
  return { kind: 'ethdev', bridge: 'blue', devargs, ...more } as PortOptions;
}

/** Waits until nothing moves any more, then holds that every frame has ended in one of the two ways. */
async function balanced(...switches: Switch[]): Promise<void> {
  const frames = () => switches.map((sw) => sw.status().rx.frames).join();
  let before = '';
  await until('traffic has ended', async () => {
    const still = frames() === before;
    before = frames();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return still;
  });
  for (const sw of switches) {
    const { rx, tx, copies, drops } = sw.status();
    expect(rx.frames + copies).toBe(tx.frames + drops);
  }
}

/** Frames of many sizes from station 1 to nobody known, so that they are flooded; jumbo ones lie in several buffers. */
const sizes = [14, 15, 59, 60, 61, 63, 64, 65, 100, 127, 128, 129, 1000, 1514, 1518];
const jumbo = [2047, 2048, 2049, 4000, 9014];

function recording(lengths: number[], copies: number): Buffer[] {
  return Array.from({ length: copies }, () => lengths.map((length) => frame(9, 1, length))).flat();
}

function expectRecorded(path: string, sent: Buffer[]): void {
  const got = readCapture(path);
  expect(got.map(({ length }) => length)).toEqual(sent.map(({ length }) => length));
  expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
}

describe.skipIf(why !== undefined)(`ethdev${why === undefined ? '' : `: ${why}`}`, () => {
  test.each([
    ['of ordinary size', sizes, {}],
    ['that are longer than a buffer', [...sizes, ...jumbo], { mtu: 9000 }],
  ])(
    'frames %s pass from device to device, one and several, as they were',
    async (_, lengths, more) => {
      const path = folder();
      const sent = recording(lengths, 100);
      writeCapture(join(path, 'in'), sent);
      const recorders = ['a', 'b', 'c'];
      for (const count of [1, 3]) {
        await using sw = await Switch.start();
        for (const name of recorders.slice(0, count)) {
          await sw.addPort(name, ethdev(`net_pcap_${name},tx_pcap=${join(path, name)}`, more));
        }
        await sw.addPort('in', ethdev(`net_pcap_in,rx_pcap=${join(path, 'in')}`, more));
        await until('all are out', () => sw.port('a').tx.frames === BigInt(sent.length));
        await balanced(sw);
        expect(sw.drops()).toEqual([]);
        for (const name of recorders.slice(0, count)) {
          await sw.removePort(name);
          expectRecorded(join(path, name), sent);
        }
      }
    },
  );

  test('frames pass from a device over shared memory to another, as they were', async () => {
    const path = folder();
    const sent = recording(sizes, 20);
    writeCapture(join(path, 'in'), sent);
    const socket = join(path, 'memif.sock');
    await using right = await Switch.start({
      ports: {
        left: memif(socket),
        out: ethdev(`net_pcap_out,tx_pcap=${join(path, 'out')}`),
      },
    });
    await using left = await Switch.start({
      ports: { right: { kind: 'memif', bridge: 'blue', socket, role: 'client' } },
    });
    await until('attached', () => left.port('right').link === 'up');
    await left.addPort('in', ethdev(`net_pcap_in,rx_pcap=${join(path, 'in')}`));
    await until('all are out', () => right.port('out').tx.frames === BigInt(sent.length));
    await balanced(left, right);
    await right.removePort('out');
    expectRecorded(join(path, 'out'), sent);
  });

  test('a frame longer than the device has room for is dropped: too_long', async () => {
    const path = folder();
    writeCapture(join(path, 'in'), recording([60, 5000, 61], 1));
    await using sw = await Switch.start({
      ports: { out: ethdev(`net_pcap_out,tx_pcap=${join(path, 'out')}`) },
    });
    await sw.addPort('in', ethdev(`net_pcap_in,rx_pcap=${join(path, 'in')}`, { mtu: 9000 }));
    await until('two are out', () => sw.port('out').tx.frames === 2n);
    expect(sw.port('out').drops.too_long).toBe(1n);
    await balanced(sw);
  });

  test('a device tells what it is', async () => {
    await using sw = await Switch.start({ ports: { a: ethdev('net_null_about', { queues: 1 }) } });
    expect(sw.port('a')).toMatchObject({
      kind: 'ethdev',
      link: 'up',
      peer: null,
      device: { name: 'net_null_about', driver: 'net_null', mtu: 1500, queues: 1, numa: -1 },
      options: { devargs: 'net_null_about' },
    });
    expect(sw.port('a').device).toMatchObject({
      wake: 'timer',
      linkInterrupts: 0,
      checksRx: false,
      filtersVlans: false,
      refusedVlans: 0,
    });
    await until('it gives frames', () => {
      return (sw.port('a').device?.statistics.rx_good_packets ?? 0n) > 0n;
    });
    const text = String(await new Metrics(sw).text());
    const line =
      /^memswitch_device_statistic_total\{port="a",device="net_null_about",statistic="rx_good_packets"\} (\d+)$/m;
    expect(Number(line.exec(text)?.[1])).toBeGreaterThan(0);
  });

  test('several queues are spread over the workers', async () => {
    await using sw = await Switch.start({
      workers: 2,
      ports: {
        a: ethdev('net_null_a,size=64', { queues: 2 }),
        b: ethdev('net_null_b,size=1500', { queues: 2 }),
      },
    });
    // Their frames have a source of zero: all are dropped.
    await until('all queues give frames', () => sw.workers().every(({ frames }) => frames > 0n));
    await sw.setPort('a', { bridge: 'red' });
    await sw.removePort('a');
    await sw.removePort('b');
  });

  test('1,000 times added and removed under traffic: no buffer is left anywhere', {
    timeout: 120_000,
  }, async () => {
    const path = folder();
    writeCapture(join(path, 'in'), recording([60, 1514, 4000], 50));
    await using sw = await Switch.start({
      ports: { out: ethdev('net_null_out', { mtu: 9000 }) },
    });
    for (let round = 0; round < 1000; round++) {
      await sw.addPort('in', ethdev(`net_pcap_in,rx_pcap=${join(path, 'in')}`, { mtu: 9000 }));
      await sw.removePort('in');
    }
    expect(sw.port('out').tx.frames).toBeGreaterThan(0n);
    expect(native.deviceBuffers().pools).toBe(1);
    await sw.removePort('out');
    expect(native.deviceBuffers()).toEqual({ pools: 0, used: 0 });
  });

  test('a device that is not promiscuous takes frames to the addresses that it is told', async () => {
    const addresses = ['02:00:00:00:00:01', '02:00:00:00:00:02'];
    await using sw = await Switch.start({
      ports: { a: ethdev('net_null_a', { promiscuous: false }) },
    });
    expect(sw.port('a').device?.promiscuous).toBe(false);
    // net_null has no filters; those of a virtual function are in test/sriov.
    const refused = sw.addPort('b', ethdev('net_null_b', { promiscuous: false, addresses }));
    await expect(refused).rejects.toMatchObject({ code: 'SYSTEM' });
    await expect(refused).rejects.toThrow(
      'cannot set the filters of net_null_b: Operation not supported',
    );
    const wrong = sw.addPort('b', ethdev('net_null_b', { addresses: ['01:00:5e:00:00:01'] }));
    await expect(wrong).rejects.toThrow('ports.b.addresses[0]: must be the address of one station');
    expect(native.deviceBuffers().pools).toBe(1);
  });

  test.skipIf(isRoot)(
    'needs root: a DPDK that cannot start leaves the switch as it was',
    () => undefined,
  );
  test.runIf(isRoot)('a DPDK that cannot start leaves the switch as it was', () => {
    // In a process and a mount namespace of its own, where DPDK's folder of drivers is empty.
    const child = join(import.meta.dirname, 'eal-child.mjs');
    const script = `mount -t tmpfs none ${drivers} && exec "$0" "$1"`;
    const { stdout, stderr } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, process.execPath, child],
      {
        encoding: 'utf8',
      },
    );
    expect(JSON.parse(stdout || '{}'), stderr).toEqual({
      refused: expect.stringMatching(/DPDK.*: .*memswitch doctor/),
      code: 'SYSTEM',
      links: ['up', 'up'],
    });
  });

  test('a switch that closes gives its devices back', async () => {
    const name = uniqueName('net_null_');
    for (let round = 0; round < 3; round++) {
      await using sw = await Switch.start({ ports: { a: ethdev(name) } });
      expect(sw.port('a').link).toBe('up');
    }
    expect(native.deviceBuffers()).toEqual({ pools: 0, used: 0 });
  });

  test.each<[object, string]>([
    [{ devargs: 'net_bonding0,mode=1' }, 'ports.p.members: must name what net_bonding joins'],
    [{ devargs: 'net_null0', members: ['net_null1'] }, 'ports.p.members: are of net_bonding only'],
    [{ devargs: 'net_bonding0', members: [] }, 'ports.p.members: must be a list of 1 to 8 devices'],
    [
      { devargs: 'net_bonding0,mode=4', members: ['net_null1'] },
      'ports.p.devargs: must have a mode other than 4 (LACP)',
    ],
    [{ devargs: 'net_bonding0,mode=1', members: ['net_null1', 'net_nonesuch1'] }, 'net_nonesuch1'],
  ])('a bond that cannot be is refused: %o', async (options, words) => {
    await using sw = await Switch.start();
    const port = { kind: 'ethdev', bridge: 'b', ...options } as PortOptions;
    await expect(sw.addPort('p', port)).rejects.toThrow(words);
    // A member that was opened before is free again.
    await sw.addPort('p', { kind: 'ethdev', bridge: 'b', devargs: 'net_null1' });
  });

  test('what fails says what, and leaves the switch as it was', async () => {
    await using sw = await Switch.start({ ports: { a: ethdev('net_null_a') } });
    const refusals: [string, object, string][] = [
      ['net_nonesuch0', { code: 'NOT_FOUND' }, 'makes a device "net_nonesuch0"'],
      ['0000:ff:1f.7', { code: 'NOT_FOUND' }, 'no PCI device has the address 0000:ff:1f.7'],
      ['net_null_a', { code: 'IN_USE' }, 'port "a" has the same device net_null_a'],
      ['net_pcap_b,rx_pcap=/nowhere', { code: 'SYSTEM' }, '/nowhere: No such file or directory'],
    ];
    for (const [devargs, details, words] of refusals) {
      const refused = sw.addPort('b', ethdev(devargs));
      await expect(refused).rejects.toMatchObject(details);
      await expect(refused).rejects.toThrow(words);
    }
    await expect(sw.addPort('b', ethdev('net_null b'))).rejects.toThrow(
      'ports.b.devargs: must be a PCI address like 0000:01:10.0, or a virtual device',
    );
    await expect(sw.addPort('b', ethdev('net_null_b', { netns: 'nowhere' }))).rejects.toThrow(
      'network namespace nowhere: No such file or directory',
    );
    await using other = await Switch.start();
    await expect(other.addPort('b', ethdev('net_null_a'))).rejects.toBeInstanceOf(SwitchError);
    await expect(other.addPort('b', ethdev('net_null_a'))).rejects.toThrow(
      'another port has the device net_null_a',
    );
    expect(sw.port('a').link).toBe('up');
    expect(sw.ports()).toHaveLength(1);
  });
});
