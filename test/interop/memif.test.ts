/**
 * The switch between peers that nobody here wrote: DPDK's net_memif (testpmd), and behind it the Linux network stack in
 * two namespaces, with real ping and real TCP.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Daemon } from './daemon.js';
import { Host, memifClient, missing, testpmd } from './peers.js';
import { endAll, until } from './processes.js';

const why = missing();

/** Packets that came back, of `count`. */
function ping(from: Host, to: string, count: number, ...more: string[]): number {
  const text = from.exec('ping', '-q', '-c', `${count}`, '-i', '0.002', '-W', '5', ...more, to);
  return Number(/(\d+) received/.exec(text)?.[1]);
}

describe.skipIf(why !== undefined)(`net_memif${why === undefined ? '' : `: ${why}`}`, () => {
  let daemon: Daemon;
  let host: Host;

  beforeEach(async () => {
    daemon = new Daemon({ web: {}, db: { queues: 4 }, far: { socket: `@msw-${process.pid}` } });
    await daemon.ready();
    host = new Host(1, daemon.socket('web'));
    await host.attach();
  });

  afterEach(async () => {
    await host.remove();
    await endAll();
    await daemon.stop();
  });

  test.each([
    ['a path', 'db', 10, 2048],
    ['rings of 64, buffers of 512 bytes', 'db', 6, 512],
    ['an abstract socket', 'far', 10, 2048],
  ])('icmpecho answers a ping through the switch: %s', async (_, port, rings, buffers) => {
    const socket = port === 'far' ? `@msw-${process.pid}` : daemon.socket(port);
    testpmd({ cpu: 1, mode: 'icmpecho', vdevs: [memifClient(socket, rings, buffers)] });
    await daemon.linked('web', port);
    expect(ping(host, '10.77.0.9', 100)).toBe(100);
    expect(daemon.port(port).peer?.name).not.toBe('');
    const { came, ended } = daemon.balance();
    expect(came).toBe(ended);
  });

  test('four queue pairs attach and answer', async () => {
    const extra = ['--rxq=4', '--txq=4'];
    testpmd({ cpu: 1, mode: 'icmpecho', vdevs: [memifClient(daemon.socket('db'))], extra });
    await daemon.linked('web', 'db');
    expect(daemon.port('db').peer?.queues).toBe(4);
    expect(ping(host, '10.77.0.9', 100)).toBe(100);
  });

  test('a removed port tells its peer, and others go on', async () => {
    const peer = testpmd({ cpu: 1, mode: 'icmpecho', vdevs: [memifClient(daemon.socket('db'))] });
    await daemon.linked('web', 'db');
    daemon.command('delete', 'port', 'db');
    expect(daemon.ports().map(({ name }) => name)).toEqual(['web', 'far']);
    expect(peer.running).toBe(true);
    testpmd({ cpu: 1, mode: 'icmpecho', vdevs: [memifClient(`@msw-${process.pid}`)] });
    await daemon.linked('web', 'far');
    expect(ping(host, '10.77.0.9', 100)).toBe(100);
  });
});

describe.skipIf(why !== undefined)(`two Linux hosts${why === undefined ? '' : `: ${why}`}`, () => {
  let daemon: Daemon;
  let left: Host;
  let right: Host;

  beforeAll(async () => {
    daemon = new Daemon({ left: {}, right: {}, third: {} });
    await daemon.ready();
    left = new Host(1, daemon.socket('left'));
    right = new Host(2, daemon.socket('right'));
    await Promise.all([left.attach(), right.attach()]);
    await daemon.linked('left', 'right');
  });

  afterAll(async () => {
    await left?.remove();
    await right?.remove();
    expect(await daemon.stop()).toBe(0);
    await endAll();
  });

  test('ping: none of 1,000 lost, addresses learned where they are', { timeout: 120_000 }, () => {
    expect(ping(left, right.address, 1000)).toBe(1000);
    const where = daemon.macs().map(({ mac, port }) => `${mac} ${port}`);
    expect(where.sort()).toEqual([`${left.mac} left`, `${right.mac} right`]);
  });

  test('iperf3: TCP for 10 s, flooding only at first', { timeout: 120_000 }, async () => {
    const third = testpmd({ cpu: 1, mode: 'rxonly', vdevs: [memifClient(daemon.socket('third'))] });
    await daemon.linked('third');
    ping(left, right.address, 3);
    const before = daemon.port('third').tx.frames;
    const server = right.start('iperf3', '-s', '-1');
    await until('iperf3 listens', () => right.exec('ss', '-Hltn', 'sport = :5201') !== '');
    const result = JSON.parse(left.exec('iperf3', '-J', '-c', right.address, '-t', '10'));
    await server.finished();
    const { bytes, bits_per_second: rate } = result.end.sum_received;
    console.log(`iperf3 through two net_memif relays: ${(rate / 1e6).toFixed(0)} Mbit/s of TCP`);
    expect(bytes).toBeGreaterThan(0);
    // ARP asks again now and then, by broadcast; nothing else is for everybody.
    expect(daemon.port('third').tx.frames - before).toBeLessThan(20);
    await third.end();
    const { came, ended } = daemon.balance();
    expect(came).toBe(ended);
  });

  test('a file of 64 MiB comes over TCP as it was', { timeout: 120_000 }, async () => {
    const file = join(daemon.folder, 'sent');
    writeFileSync(file, randomBytes(64 << 20));
    const got = join(daemon.folder, 'got');
    const receive = `require('net').createServer((s) => s.pipe(require('fs').createWriteStream('${got}')).on('finish', () => process.exit())).listen(7000)`;
    const send = `require('fs').createReadStream('${file}').pipe(require('net').connect(7000, '${right.address}'))`;
    const server = right.start(process.execPath, '-e', receive);
    await until('the receiver listens', () => right.exec('ss', '-Hltn', 'sport = :7000') !== '');
    left.exec(process.execPath, '-e', send);
    await server.finished();
    const sum = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
    expect(sum(got)).toBe(sum(file));
  });

  test('one side is killed in the middle and comes back', { timeout: 120_000 }, async () => {
    const traffic = left.start('ping', '-q', '-i', '0.002', '-c', '100000', right.address);
    await until('traffic', () => daemon.port('right').tx.frames > 100);
    for (let round = 0; round < 3; ++round) {
      const attaches = daemon.port('right').attaches;
      await right.detach();
      await until('the switch has noticed', () => daemon.port('right').link === 'down');
      await right.attach();
      await daemon.linked('right');
      expect(daemon.port('right').attaches).toBe(attaches + 1);
      expect(ping(left, right.address, 100, '-w', '30')).toBeGreaterThan(90);
    }
    expect(daemon.program.running).toBe(true);
    await traffic.end();
    const { came, ended } = daemon.balance();
    expect(came).toBe(ended);
  });
});
