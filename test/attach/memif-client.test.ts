/** MemifClient: against a switch, and against one of its own kind in the server's role. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemifClient, type MemifClientOptions, Switch } from 'memswitch';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { frame, lacksRoot, Namespace } from '../devices/support.js';
import { endAll, Program } from '../interop/processes.js';
import { finished, folder, memif, root, until } from '../switch/support.js';

afterEach(endAll);

async function client(options: MemifClientOptions): Promise<MemifClient> {
  const made = await MemifClient.connect({ signal: AbortSignal.timeout(10_000), ...options });
  onTestFinished(() => made.close());
  return made;
}

/** Two clients that are each other's peer, without a switch. */
async function pair(more: Partial<MemifClientOptions> = {}): Promise<[MemifClient, MemifClient]> {
  const socket = join(folder(), 'pair.sock');
  const server = new MemifClient({ socket, role: 'server', ...more });
  onTestFinished(() => server.close());
  const one = await client({ socket, ...more });
  await until('both up', () => server.link === 'up');
  return [server, one];
}

/** Copies of the next so many frames. */
async function take(from: MemifClient, count: number): Promise<Buffer[]> {
  const taken: Buffer[] = [];
  for await (const frames of from.bursts()) {
    taken.push(...frames.map((view) => Buffer.from(view)));
    if (taken.length >= count) {
      break;
    }
  }
  return taken;
}

describe('over a switch', () => {
  test('frames of all sizes arrive as they were sent, both ways', async () => {
    const [left, right] = [join(folder(), 'left'), join(folder(), 'right')];
    await using sw = await Switch.start({ ports: { left: memif(left), right: memif(right) } });
    const [one, two] = [await client({ socket: left }), await client({ socket: right })];
    expect([one.peer, one.queues, sw.port('left').peer?.name]).toEqual(['memswitch', 1, 'node']);
    const sizes = [14, 60, 64, 65, 1514, 2048, 2049, 9000, 65_535];
    for (const [from, to] of [
      [one, two],
      [two, one],
    ] as const) {
      const sent = sizes.map((size) => frame(from === one ? 2 : 1, from === one ? 1 : 2, size));
      const received = take(to, sent.length);
      await from.sendAll(sent);
      expect(await received).toEqual(sent);
    }
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const traffic = { frames: sizes.length, bytes };
    expect(one.statistics()).toEqual({ rx: traffic, tx: traffic, refused: 0, tooLong: 0 });
  });

  test('comes back when the switch does', async () => {
    const socket = join(folder(), 'web');
    const ports = { web: memif(socket) };
    const first = await Switch.start({ ports });
    const one = await client({ socket });
    const reasons: string[] = [];
    one.on('down', (reason) => reasons.push(reason));
    await first.close();
    await until('down', () => one.link === 'down');
    expect([one.send([frame(1, 2, 60)]), one.receive(), one.reserve(8)]).toEqual([0, [], []]);
    await using second = await Switch.start({ ports });
    await until('up again', () => one.link === 'up');
    expect(reasons[0]).toMatch(/closing/);
    await one.sendAll([frame(1, 2, 60)]);
    await until('a frame', () => second.port('web').rx.frames === 1n);
  });

  test('says why it is refused', async () => {
    const socket = join(folder(), 'web');
    await using _ = await Switch.start({
      ports: { web: { kind: 'memif', bridge: 'blue', socket, secret: 'right' } },
    });
    const asked = MemifClient.connect({
      socket,
      secret: 'wrong',
      signal: AbortSignal.timeout(1000),
    });
    await expect(asked).rejects.toThrow(/no link over .*secret/);
    const file = join(folder(), 'web.env');
    writeFileSync(file, `MEMIF_SOCKET=${socket}\nMEMIF_SECRET=right\n`);
    expect((await client({ file })).link).toBe('up');
  });
});

describe('over a pair', () => {
  test('a full ring is told, and room is waited for', async () => {
    const [server, one] = await pair({ ringSize: 64 });
    const frames = Array.from({ length: 100 }, () => frame(1, 2, 100));
    expect(one.send(frames)).toBe(64);
    expect(one.statistics().refused).toBe(36);
    const room = one.drain();
    const sent = one.sendAll(frames.slice(64));
    expect(await take(server, 100)).toEqual(frames);
    await Promise.all([room, sent]);
    expect(server.send(frames)).toBe(64);
    expect(await take(one, 64)).toEqual(frames.slice(0, 64));
  });

  test('views are the shared memory itself, and stay readable after the end', async () => {
    const [server, one] = await pair();
    const room = one.reserve(2);
    expect(room.map(({ length }) => length)).toEqual([2048, 2048]);
    const [sent = Buffer.alloc(0)] = room;
    randomBytes(2048).copy(sent);
    expect(() => one.send([frame(1, 2, 60)])).toThrow(/commit what is reserved/);
    expect(one.commit([2000])).toBe(1);
    await until('the frame', () => server.receive().length === 1);
    server.release();
    one.send([frame(1, 2, 60)]);
    const { value: [view = Buffer.alloc(0)] = [] } = await server.bursts().next();
    room[1]?.fill(7);
    expect(view.subarray(0, 60)).toEqual(Buffer.alloc(60, 7));
    server.close();
    one.close();
    expect(view[0]).toBe(7);
  });

  test('several queues', async () => {
    const [server, one] = await pair({ queues: 3 });
    expect([server.queues, one.queues]).toEqual([3, 3]);
    one.send([frame(1, 2, 60)], 2);
    expect((await server.bursts(2).next()).value).toHaveLength(1);
    expect(() => one.receive(3)).toThrow(/queue/);
  });

  test('close ends loops, is idempotent, and is final', async () => {
    const [server, one] = await pair();
    const loop = (async () => {
      for await (const _ of one.bursts()) {
        throw new Error('no frame was sent');
      }
    })();
    one.close();
    one.close();
    await loop;
    for (const call of [() => one.receive(), () => one.send([]), () => one.reserve(1)]) {
      expect(call).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    }
    await until('down', () => server.link === 'down');
  });

  test.each([
    [{ socket: 'x' }, /socket: must be an absolute path/],
    [{ socket: '/x', queues: 0 }, /queues: must be an integer/],
    [{}, /socket: must be/],
    [{ socket: '/x', nonsense: 1 }, /nonsense/],
  ])('mistakes are told: %j', (options, message) => {
    expect(() => new MemifClient(options as MemifClientOptions)).toThrow(message);
  });

  test('what is no frame is refused', async () => {
    const [, one] = await pair();
    expect(() => one.send([frame(1, 2, 60), Buffer.alloc(13)])).toThrow(/frames\[1\].*14 to 65535/);
  });

  test.each([
    'process.exit(3)',
    'throw new Error("on purpose")',
    'setInterval(gc, 1); setTimeout(() => process.exit(3), 300)',
    'client.unref(); server.unref(); clearInterval(load); process.exitCode = 3',
  ])('a process in traffic ends at once: %s', async (how) => {
    const socket = join(folder(), 'pair.sock');
    const program = `
      import { MemifClient } from 'memswitch';
      const server = new MemifClient({ socket: '${socket}', role: 'server' });
      let client = await MemifClient.connect({ socket: '${socket}' });
      const load = setInterval(() => {
        client.send([Buffer.alloc(60), Buffer.alloc(60)]);
        server.receive();
      }, 1);
      await new Promise((resolve) => setTimeout(resolve, 100));
      ${how}`;
    const args = ['--expose-gc', '--input-type=module', '-e', program];
    const { status, signal } = await finished(spawn(process.execPath, args, { cwd: root }));
    expect(signal).toBeNull();
    expect(status).toBe(how.startsWith('throw') ? 1 : 3);
  });

  test('links and their memory are let go of', async () => {
    const program = `
      import { readFileSync } from 'node:fs';
      import { MemifClient } from 'memswitch';
      const regions = () => readFileSync('/proc/self/maps', 'utf8').split('memif').length - 1;
      const socket = '${join(folder(), 'pair.sock')}';
      const server = new MemifClient({ socket, role: 'server' });
      for (let i = 0; i < 50; ++i) {
        const client = await MemifClient.connect({ socket });
        client.send([Buffer.alloc(60)]);
        client.close();
      }
      server.close();
      for (let i = 0; i < 20 && regions() > 0; ++i) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      console.log(regions());`;
    const args = ['--expose-gc', '--input-type=module', '-e', program];
    const { stdout, stderr } = await finished(spawn(process.execPath, args, { cwd: root }));
    expect([stdout.trim(), stderr]).toEqual(['0', '']);
  });
});

const why = lacksRoot();

describe.skipIf(why !== undefined)(`examples${why === undefined ? '' : `: ${why}`}`, () => {
  test('icmp-echo answers a ping from a namespace, beside load', async () => {
    const home = folder();
    const pod = new Namespace();
    const names = ['echo', 'load', 'sink'];
    const sockets = Object.fromEntries(names.map((name) => [name, memif(join(home, name))]));
    const ports = {
      ...sockets,
      pod: { kind: 'tap' as const, bridge: 'blue', interface: 'eth0', netns: pod.name },
    };
    await using sw = await Switch.start({ ports });
    pod.address('eth0', '192.0.2.1');
    const example = (name: string, ...args: string[]) =>
      new Program(process.execPath, [join(root, 'examples', `${name}.mjs`), ...args]);
    example('icmp-echo', join(home, 'echo'), '02:00:00:00:00:07', '192.0.2.7');
    await until('attached', () => sw.port('echo').link === 'up');
    expect(pod.ping('192.0.2.7', 200)).toBe(200);
    const [mac, peer] = ['02:00:00:00:00:08', '02:00:00:00:00:09'];
    example('load', join(home, 'load'), mac, peer);
    example('load', join(home, 'sink'), peer, mac);
    await until('load', () => sw.port('sink').tx.frames > 10_000n);
    expect(pod.ping('192.0.2.7', 20)).toBe(20);
  });
});
