/** Captures and mirrors, read by tshark and tcpdump; through the library, the API and the command. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { MemifClient, Switch } from 'memswitch';
import { describe, expect, onTestFinished, test } from 'vitest';
import { begin, daemon, folder, loadPair, memif, memswitch, until } from './support.js';

const address = (last: number) => [2, 0, 0, 0, 0, last];

/** A UDP or TCP packet, ARP or nothing known, by turns, as Ethernet frames from 1 to 2. */
function mixture(count: number): Buffer[] {
  return Array.from({ length: count }, (_, n) => {
    const bytes = Buffer.alloc(60 + (n % 5) * 300);
    bytes.set([...address(2), ...address(1)]);
    bytes.writeUInt16BE([0x0800, 0x0800, 0x0806, 0x8100, 0x88b5][n % 5] ?? 0, 12);
    const ip = n % 5 === 3 ? 18 : 14;
    if (n % 5 === 3) {
      bytes.writeUInt16BE(100, 14);
      bytes.writeUInt16BE(0x0800, 16);
    }
    if (n % 5 === 2) {
      bytes.set([0, 1, 8, 0, 6, 4, 0, 1, ...address(1), 10, 0, 0, 1, 0, 0, 0, 0, 0, 0], 14);
      bytes.set([10, 0, 0, 2], 38);
    } else {
      bytes.set([0x45, 0, 0, 46, 0, 0, 0, 0, 64, n % 2 ? 6 : 17], ip);
      bytes.set([10, 0, 0, 1, 10, 0, 0, 2 + (n % 3)], ip + 12);
      bytes.writeUInt16BE(1024 + n, ip + 20);
      bytes.writeUInt16BE(n % 4 ? 80 : 53, ip + 22);
      bytes.writeUInt16BE(26, ip + 24);
    }
    return bytes;
  });
}

/** A switch with two ports, and somebody at each. */
async function pair() {
  const [left, right] = [join(folder(), 'web'), join(folder(), 'db')];
  const sw = await Switch.start({ ports: { web: memif(left), db: memif(right) } });
  onTestFinished(() => sw.close());
  const one = await MemifClient.connect({ socket: left, signal: AbortSignal.timeout(10_000) });
  const two = await MemifClient.connect({ socket: right, signal: AbortSignal.timeout(10_000) });
  onTestFinished(() => {
    one.close();
    two.close();
  });
  return { sw, one, two };
}

function tool(program: string, args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  expect(status, `${program} ${args.join(' ')}: ${stderr}`).toBe(0);
  return stdout;
}

function fields(file: string, ...names: string[]): string[][] {
  const wanted = names.flatMap((name) => ['-e', name]);
  const text = tool('tshark', ['-r', file, '-T', 'fields', ...wanted]);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'));
}

/** All of a stream that ends by itself, in a file. */
async function whole(stream: Readable): Promise<string> {
  const file = join(folder(), 'whole.pcapng');
  writeFileSync(file, await buffer(stream));
  return file;
}

describe('a capture', () => {
  test('is what tshark reads: names, directions, reasons, nothing malformed', async () => {
    const { sw, one, two } = await pair();
    const stream = await sw.capture(['web', 'db'], { count: 7 });
    await one.sendAll(mixture(2).slice(0, 1));
    await until('one frame over', () => sw.port('db').tx.frames === 1n);
    const back = Buffer.alloc(60);
    back.set([...address(1), ...address(2), 0x88, 0xb5]);
    await two.sendAll([back]);
    await until('one frame back', () => sw.port('web').tx.frames === 1n);
    const bad = Buffer.from(back);
    bad.set([1], 6); // from a group
    const self = Buffer.from(back);
    self.set([...address(2), ...address(2)]);
    await two.sendAll([bad, self, self]);
    const file = await whole(stream);
    const names = ['frame.interface_name', 'frame.packet_flags_direction', 'frame.comment'];
    expect(
      fields(file, ...names).map((row) => [row[0], Number(row[1]), row[2]?.split('. ')[0]]),
    ).toEqual([
      ['web', 1, ''],
      ['db', 2, ''],
      ['db', 1, ''],
      ['web', 2, ''],
      ['db', 1, 'dropped: bad_source'],
      ['db', 1, 'dropped: same_port'],
      ['db', 1, 'dropped: same_port'],
    ]);
    expect(tool('tshark', ['-r', file, '-Y', '_ws.malformed'])).toBe('');
    const times = fields(file, 'frame.time_epoch').flat();
    expect([...times].sort()).toEqual(times);
    expect(times.every((time) => /\.\d{9}$/.test(time))).toBe(true);
    expect(Math.abs(Number(times[0]) * 1000 - Date.now())).toBeLessThan(60_000);
  });

  test.each([
    'tcp',
    'udp port 53',
    'arp or vlan 100',
    'host 10.0.0.4 and not tcp',
    'greater 700',
    'ether[700:2] = 0',
  ])('with the filter %s takes what tcpdump takes of the same traffic', async (filter) => {
    const { sw, one } = await pair();
    const all = await sw.capture('web', { direction: 'rx', count: 500 });
    const some = await sw.capture('web', { direction: 'rx', filter });
    await one.sendAll(mixture(500));
    const file = await whole(all);
    const counted = tool('tcpdump', ['-r', file, '--count', filter]);
    const wanted = Number(counted.match(/^(\d+) packet/m)?.[1]);
    expect(wanted).toBeGreaterThan(0);
    await until('frames in the filtered stream', () => {
      some.read(0);
      return sw.captures().some((it) => it.filter === filter && it.frames === BigInt(wanted));
    });
    some.destroy();
  });

  test('refuses what cannot be, in one line', async () => {
    const { sw } = await pair();
    const refused = async (options: object, ports = 'web') =>
      sw.capture(ports, options).then(
        () => 'taken',
        (error: Error) => error.message,
      );
    expect(await refused({ filter: 'tcp prot 80' })).toMatch(
      /^filter: .*; the syntax is tcpdump's/,
    );
    expect(await refused({ filter: '('.repeat(4000) })).toMatch(/^filter: /);
    expect(await refused({ filter: 'inbound' })).toMatch(/not in a frame/);
    expect(await refused({ filter: `host 1.1.1.1${' or host 2.2.2.2'.repeat(400)}` })).toMatch(
      /filter: must be text of at most 4096 bytes/,
    );
    expect(await refused({ snaplen: -1 })).toBe(
      'capture.snaplen: must be an integer from 0 to 262144, got -1',
    );
    expect(await refused({ buffer: 1e9 })).toMatch(/^capture.buffer: must be/);
    expect(await refused({}, 'nix')).toMatch(/port "nix" does not exist/);
    const streams = [];
    for (let n = 0; n < 16; n++) {
      streams.push(await sw.capture('web', { buffer: 1 }));
    }
    expect(await refused({})).toMatch(/at most 16 captures/);
    for (const stream of streams) {
      stream.destroy();
    }
    await until('all gone', () => sw.captures().length === 0);
    expect(await refused({})).toBe('taken');
  });

  test('ends with its port, and with the switch', async () => {
    const { sw } = await pair();
    const [first, second] = [await sw.capture('web'), await sw.capture('db')];
    await sw.removePort('web');
    await buffer(first);
    const rest = buffer(second);
    await sw.close();
    await rest;
  });

  test('of full load loses none of the frames of the switch', async () => {
    const [left, right] = [join(folder(), 'web'), join(folder(), 'db')];
    await using sw = await Switch.start({ ports: { web: memif(left), db: memif(right) } });
    const loads = loadPair(left, right);
    await until('both attached', () => sw.ports().every(({ link }) => link === 'up'));
    const stream = await sw.capture(['web', 'db'], { snaplen: 64, count: 200_000 });
    const slow = await sw.capture('web', { buffer: 1 }); // nobody reads it
    begin(...loads);
    for await (const piece of stream) {
      expect(piece.length).toBeGreaterThan(0);
    }
    await until('frames lost to who does not read', () => sw.captureTotal().lost > 0n);
    slow.destroy();
    expect(sw.drops()).toEqual([]);
  });
});

describe('the command', () => {
  async function running() {
    const path = folder();
    const api = join(path, 'api.sock');
    const config = join(path, 'config.json');
    const ports = { web: memif(join(path, 'web')), db: memif(join(path, 'db')) };
    writeFileSync(config, JSON.stringify({ ports }));
    await daemon(['--config', config], api);
    begin(...loadPair(join(path, 'web'), join(path, 'db')));
    const run = (...args: string[]) => memswitch(args, { MEMSWITCH_API: api });
    await until('traffic', async () => !/ 0 frames/.test((await run('show', 'switch')).stdout));
    return { run, path, api };
  }

  test('writes files that follow each other, prints lines, says what is wrong', async () => {
    const { run, path } = await running();
    const rotated = join(path, 'web.pcapng');
    const sized = ['--file-size', '1', '--files', '2', '--count', '40000'];
    const many = await run('capture', 'web', '-w', rotated, ...sized);
    expect([many.status, many.stderr]).toEqual([
      0,
      expect.stringMatching(/^40,000 frames captured/),
    ]);
    const files = readdirSync(path).filter((name) => /^web_\d{5}\.pcapng$/.test(name));
    expect(files).toHaveLength(2);
    const frames = files.map((name) => fields(join(path, name), 'frame.interface_name').length);
    expect(Math.min(...frames)).toBeGreaterThan(0);

    const lines = await run(
      'capture',
      'web',
      '--count',
      '3',
      '--filter',
      'ether src 02:00:00:00:00:01',
    );
    expect(lines.stdout.split('\n').slice(0, 3)).toEqual(
      Array(3).fill(
        expect.stringMatching(
          /^\d\d:\d\d:\d\d\.\d{9} web rx 02:00:00:00:00:01 > 02:00:00:00:00:02, type 0x88b5, length 64$/,
        ),
      ),
    );
    const wrong = await run('capture', 'web', '--files', '3');
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringMatching(/needs --file-size/)]);
    const unknown = await run('capture', 'web', '--filter', 'tcp prot');
    expect([unknown.status, unknown.stderr]).toEqual([
      1,
      expect.stringMatching(/^memswitch: filter: .*syntax error.*\n$/),
    ]);
  });

  test('a client of the API that goes away ends its capture', async () => {
    const { run, api } = await running();
    const sent = request({ socketPath: api, path: '/v1/capture?ports=web' }).end();
    const [response] = await once(sent, 'response');
    expect(response.headers['content-type']).toBe('application/x-pcapng');
    await once(response, 'data');
    expect(JSON.parse((await run('show', 'captures', '--json')).stdout)).toMatchObject([
      { ports: ['web'], direction: 'both' },
    ]);
    response.destroy();
    await until('gone', async () => (await run('show', 'captures')).stdout === 'no captures\n');
  });
});

describe('a mirror', () => {
  test('comes by configuration and live, copies, and balances', async () => {
    const sockets = ['web', 'db', 'mon'].map((name) => join(folder(), name));
    const [web = '', db = '', mon = ''] = sockets;
    const ports = { web: memif(web), db: memif(db), mon: memif(mon) };
    const mirrors = { tap: { from: ['web'], to: 'mon' } };
    await using sw = await Switch.start({ ports, mirrors });
    const clients = await Promise.all(sockets.map((socket) => MemifClient.connect({ socket })));
    onTestFinished(() => {
      for (const client of clients) {
        client.close();
      }
    });
    const [one] = clients;
    await one?.sendAll(mixture(100));
    await until('all copied', () => sw.mirror('tap').copies.frames === 100n);
    await until('all balanced', () => {
      const { rx, tx, copies, drops } = sw.status();
      return rx.frames + copies === tx.frames + drops;
    });
    await expect(sw.removePort('mon')).rejects.toThrow(/gets the copies of a mirror/);

    await sw.removePort('web');
    await sw.addPort('web', memif(web)); // is mirrored again
    await until('attached again', () => sw.port('web').link === 'up' && one?.link === 'up');
    await one?.sendAll(mixture(10));
    await until('copied again', () => sw.mirror('tap').copies.frames === 110n);

    expect(
      await sw.apply({ ports, mirrors: { tap: { ...mirrors.tap, direction: 'tx' } } }),
    ).toEqual([
      { action: 'replace', what: 'mirror', name: 'tap', details: ['direction: both → tx'] },
    ]);
    expect(await sw.apply({ ports })).toEqual([
      { action: 'remove', what: 'mirror', name: 'tap', details: [] },
    ]);
    expect(sw.mirrors()).toEqual([]);
    await sw.addMirror('live', { from: ['db'], to: 'mon', direction: 'rx' });
    expect(sw.mirror('live')).toMatchObject({ direction: 'rx', lost: 0n });
  });

  test('that cannot be is refused as a whole, with the path of each mistake', async () => {
    const ports = { web: memif(join(folder(), 'web')), mon: memif(join(folder(), 'mon')) };
    const start = (mirrors: object) =>
      Switch.start({ ports, mirrors } as never).then(
        (sw) => sw.close().then(() => ''),
        (error: Error) => error.message,
      );
    expect(await start({ a: { from: ['nix'], to: 'mon' }, b: { from: [], to: 'web' } })).toBe(
      'mirrors.b.from: must name at least one port, got []\n' +
        'mirrors.a.from[0]: must be the name of a port, got "nix"',
    );
    expect(await start({ a: { from: ['web'], to: 'web' } })).toBe(
      'mirrors.a.to: must be a port that is not mirrored itself, got "web"',
    );
  });
});
