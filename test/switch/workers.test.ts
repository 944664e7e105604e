/** Workers and queues of a live switch, by the library, a configuration and the command, beside traffic. */
import { join } from 'node:path';
import { type PortOptions, Switch, type SwitchOptions } from 'memswitch';
import { expect, test } from 'vitest';
import { begin, daemon, folder, loadPair, memif, memswitch, until } from './support.js';

/** A pair that sends to each other, and proof in the end that nothing was lost. */
async function withTraffic(
  options: SwitchOptions,
  work: (sw: Switch, ports: Record<string, PortOptions>) => Promise<void>,
) {
  const [left, right] = ['left.sock', 'right.sock'].map((name) => join(folder(), name)) as [
    string,
    string,
  ];
  const ports = { left: memif(left), right: memif(right) };
  await using sw = await Switch.start({ ...options, ports });
  const loads = loadPair(left, right);
  await until('both attached', () => sw.ports().every(({ link }) => link === 'up'));
  begin(...loads);
  const flows = async () => {
    const before = sw.status().tx.frames;
    await until('frames go on', () => sw.status().tx.frames > before + 1000n);
  };
  await flows();
  await work(sw, ports);
  await flows();
  // A frame to an address not yet heard is flooded to nobody else: two ports, so nothing is ever dropped.
  expect(sw.drops()).toEqual([]);
}

const placed = (sw: Switch) =>
  Object.fromEntries(
    sw
      .workers()
      .flatMap(({ worker, queues }) =>
        queues.map(({ port, queue }) => [`${port}:${queue}`, worker]),
      ),
  );

test('workers come, change and go, and queues move by hand, without a frame lost', async () => {
  await withTraffic({}, async (sw) => {
    expect(placed(sw)).toEqual({ 'left:0': 0, 'right:0': 0 });
    expect(await sw.addWorker({ polling: 'interrupt' })).toBe(1);
    expect(new Set(Object.values(placed(sw)))).toEqual(new Set([0, 1]));
    for (let i = 0; i < 20; i++) {
      await sw.setQueue('left', 0, i % 2);
      await sw.setQueue('right', 0, (i + 1) % 2);
      expect(placed(sw)).toEqual({ 'left:0': i % 2, 'right:0': (i + 1) % 2 });
    }
    await sw.setWorker(1, { cpu: 0, polling: 'adaptive' });
    await until('the worker is measured', () => sw.workers()[1]?.busy !== 0);
    const [, one] = sw.workers();
    expect(one).toMatchObject({ worker: 1, cpu: 0, polling: 'adaptive', running: true });
    expect(one?.queues[0]).toMatchObject({ queue: 0, byHand: true });
    await sw.removeWorker(1);
    expect(placed(sw)).toEqual({ 'left:0': 0, 'right:0': 0 });
    expect(await sw.addWorker()).toBe(1);
    await sw.removeWorker(0);
    expect(sw.workers().map(({ worker }) => worker)).toEqual([1]);
    expect(sw.status().workers).toBe(1);
  });
});

test('a configuration gives two workers one CPU, and both move frames', async () => {
  const workers = [
    { cpu: 0, polling: 'interrupt' },
    { cpu: 0, polling: 'interrupt' },
  ] as const;
  await withTraffic({ workers: [...workers] }, async (sw) => {
    expect(sw.workers()).toMatchObject([
      { cpu: 0, queues: [{}] },
      { cpu: 0, queues: [{}] },
    ]);
    await until('both are measured', () => sw.workers().every(({ busy }) => busy > 0));
  });
});

test('a configuration brings, changes and removes workers, and places queues', async () => {
  await withTraffic({ workers: 2 }, async (sw, ports) => {
    const three = { workers: 3, polling: 'interrupt', placement: 'auto', ports } as const;
    expect((await sw.apply(three, { dryRun: true })).map(({ what }) => what)).toEqual([
      'worker',
      'worker',
      'worker',
      'placement',
    ]);
    expect(sw.workers()).toHaveLength(2);
    expect(await sw.apply(three)).toMatchObject([
      { action: 'change', what: 'worker', name: '0', details: ['polling: adaptive → interrupt'] },
      { action: 'change', name: '1' },
      { action: 'add', name: '2' },
      { what: 'placement', details: ['spread → auto'] },
    ]);
    expect(await sw.apply(three)).toEqual([]);
    const left = { ...ports.left, workers: [2] } as PortOptions;
    await sw.apply({ ...three, ports: { ...ports, left } });
    expect(placed(sw)).toMatchObject({ 'left:0': 2 });
    const wrong = { ...ports.left, workers: [9] } as PortOptions;
    await expect(
      sw.apply({ ...three, workers: 4, ports: { ...ports, left: wrong } }),
    ).rejects.toThrow('port "left": there is no worker 9; nothing was changed');
    expect(sw.workers()).toHaveLength(3);
    expect(await sw.apply({ ports })).toContainEqual({
      action: 'remove',
      what: 'worker',
      name: '2',
      details: [],
    });
    expect(sw.workers()).toMatchObject([{ worker: 0, polling: 'adaptive' }]);
  });
});

test('what cannot be is refused in one line', async () => {
  await using sw = await Switch.start();
  await expect(sw.removeWorker(0)).rejects.toThrow('the last worker cannot be removed');
  await expect(sw.removeWorker(5)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(sw.addWorker({ cpu: 4000 })).rejects.toThrow(
    /worker.cpu: must be a CPU of this machine/,
  );
  await expect(sw.setQueue('nobody', 0, 0)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('the command adds, sets, shows and deletes workers, and moves queues', async () => {
  const home = folder();
  const api = join(home, 'api.sock');
  const socket = join(home, 'web.sock');
  await daemon([], api);
  const run = async (...args: string[]) => {
    const { status, stdout, stderr } = await memswitch([...args, '--api', api]);
    expect(`${status} ${stderr}`).toBe('0 ');
    return stdout;
  };
  await run('add', 'port', 'web', '--kind', 'memif', '--bridge', 'blue', '--socket', socket);
  expect(await run('add', 'worker', '--cpu', '0')).toBe('worker 1\n');
  const [client] = loadPair(socket, join(home, 'nobody.sock'));
  await until('attached', async () => (await run('show', 'ports')).includes(' up '));
  await run('set', 'queue', 'web', '0', '--worker', '1');
  expect(await run('show', 'workers')).toMatch(/ web:0! \d+%/);
  await run('set', 'worker', '1', '--polling', 'interrupt');
  await run('delete', 'worker', '0');
  const [left] = JSON.parse(await run('show', 'workers', '--json'));
  expect(left).toMatchObject({ worker: 1, cpu: 0, polling: 'interrupt', node: 0 });
  client.kill();
});
