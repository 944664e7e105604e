/** The metrics: their format, and that they are the switch's counters at every moment, however lines are kept. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { MemifClient, type PortStatus, Switch } from 'memswitch';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Metrics } from '../../switch/metrics/index.js';
import { lintMetrics, parseMetrics } from './prometheus.js';
import { begin, daemon, folder, loadPair, memif, memswitch, until } from './support.js';

async function started() {
  const path = folder();
  const sockets = { web: join(path, 'web.sock'), db: join(path, 'db.sock') };
  const sw = await Switch.start({ ports: { web: memif(sockets.web), db: memif(sockets.db) } });
  return { sw, sockets, path };
}

async function textOf(metrics: Metrics): Promise<string> {
  return (await metrics.text()).toString();
}

/** Every value of a metric by the values of its labels. */
function values(text: string, name: string): Record<string, number> {
  const { samples = [] } = parseMetrics(text).get(name) ?? {};
  return Object.fromEntries(
    samples.map(({ labels, value }) => [Object.values(labels).join(' '), value]),
  );
}

/** Looks at a switch that stands still, again and again: each scrape is one list of its ports. */
function comparison(sw: Switch): (what: string) => Promise<string> {
  const metrics = new Metrics(sw);
  const other = new Metrics(sw);
  return async (what) => {
    const text = await textOf(metrics);
    expect(lintMetrics(text), what).toEqual([]);
    const zipped = gunzipSync(await other.text('gzip')).toString();
    expect(zipped.split('\nmemswitch_worker')[0], what).toBe(text.split('\nmemswitch_worker')[0]);
    const ports = sw.ports();
    const same = (name: string, read: (port: (typeof ports)[number]) => number) =>
      expect(values(text, `memswitch_port_${name}`), what).toEqual(
        Object.fromEntries(ports.map((port) => [`${port.name} memif ${port.bridge}`, read(port)])),
      );
    same('rx_frames_total', ({ rx }) => Number(rx.frames));
    same('tx_bytes_total', ({ tx }) => Number(tx.bytes));
    same('attaches_total', ({ attaches }) => attaches);
    same('up', ({ link }) => (link === 'up' ? 1 : 0));
    const drops = sw
      .drops()
      .map(({ port, reason, frames }) => [`${port} ${reason}`, Number(frames)]);
    expect(values(text, 'memswitch_port_dropped_frames_total'), what).toEqual(
      Object.fromEntries(drops),
    );
    const errors = ports.flatMap(({ name, protocolErrors }) =>
      Object.entries(protocolErrors).map(([error, times]) => [`${name} ${error}`, times]),
    );
    expect(values(text, 'memswitch_memif_protocol_errors_total'), what).toEqual(
      Object.fromEntries(errors),
    );
    return text;
  };
}

test('are what promtool accepts, and each port and reason is what the switch counts', async () => {
  const { sw, sockets, path } = await started();
  await using _ = sw;
  const compare = comparison(sw);
  await compare('at the start');
  const [left, right] = loadPair(sockets.web, sockets.db);
  await until('both attached', () => sw.ports().every(({ link }) => link === 'up'));
  await compare('attached');
  begin(left, right);
  await until('traffic', () => sw.port('db').rx.frames > 10_000n);
  left.stdin?.end();
  right.stdin?.end();
  await until('both gone', () => sw.ports().every(({ link }) => link === 'down'));
  await compare('gone');
  await sw.addPort('third', memif(join(path, 'third.sock'), 'red'));
  await compare('a third');
  await sw.setPort('web', { bridge: 'red' });
  const text = await compare('moved');
  expect(text).toContain('memswitch_port_rx_frames_total{port="web",kind="memif",bridge="red"}');
  await sw.removePort('web');
  await compare('removed');
  await sw.addPort('web', memif(sockets.web));
  await compare('there again, with counters from zero');
});

/** From 1 to 2, or from a group, which nobody may be. */
function frames(count: number, size: number, source = 2): Buffer[] {
  const frame = Buffer.alloc(size);
  frame.set([2, 0, 0, 0, 0, 2, source, 0, 0, 0, 0, 1, 0x88, 0xb5]);
  return Array(count).fill(frame);
}

async function attached(socket: string): Promise<MemifClient> {
  const client = await MemifClient.connect({ socket, signal: AbortSignal.timeout(60_000) });
  onTestFinished(() => client.close());
  return client;
}

/** What a daemon's API answers, asked for as a scraper does. */
function scraped(api: string, how: '--raw' | '--compressed'): string {
  const { stdout, status } = spawnSync('curl', [
    '-sf',
    '--unix-socket',
    api,
    how,
    'http://_/metrics',
  ]);
  expect(status).toBe(0);
  return stdout.toString();
}

test('tell what moves without a frame: links, peers that came, peers that were refused', async () => {
  const { sw, sockets } = await started();
  await using _ = sw;
  await sw.removePort('web');
  await sw.addPort('web', { kind: 'memif', bridge: 'blue', socket: sockets.web, secret: 'hush' });
  const compare = comparison(sw);
  const comes = () => MemifClient.connect({ socket: sockets.db });
  const leaves = async (client: MemifClient) => {
    client.close();
    await until('gone', () => sw.port('db').link === 'down');
  };
  const client = await comes();
  await compare('up');
  await leaves(client);
  await compare('down');
  await leaves(await comes());
  expect(sw.port('db').attaches).toBe(2);
  await compare('came and went');
  const stranger = new MemifClient({ socket: sockets.web, secret: 'wrong' });
  await until('refused', () => (sw.port('web').protocolErrors.refused ?? 0) > 0);
  stranger.close();
  await until('quiet', async () => {
    const before = sw.port('web').protocolErrors.refused;
    await delay(50);
    return before === sw.port('web').protocolErrors.refused;
  });
  await compare('refused');
});

test('that grow between scrapes are exact each time: as text, by gzip and in `show --json`', async () => {
  const path = folder();
  const [web, db, config, api] = ['web', 'db', 'config.json', 'api'].map((name) =>
    join(path, name),
  ) as [string, string, string, string];
  writeFileSync(config, JSON.stringify({ workers: 2, ports: { web: memif(web), db: memif(db) } }));
  await daemon(['--config', config], api);
  const shown = async (): Promise<Pick<PortStatus, 'rx' | 'tx' | 'drops'>[]> =>
    JSON.parse((await memswitch(['show', 'ports', '--json', '--api', api])).stdout);
  const client = await attached(web);
  await attached(db);
  const sent = { frames: 0, bytes: 0 };
  let bad = 0;
  // Rows that were zero, rows that were not, and a reason for drops that comes late and moves alone.
  for (const [count, size, badOnes] of [
    [1, 60, 0],
    [63, 60, 0],
    [5, 700, 2],
    [0, 60, 1],
    [1, 60, 0],
  ] as const) {
    await client.sendAll([...frames(badOnes, 60, 3), ...frames(count, size)]);
    sent.frames += count;
    sent.bytes += count * size;
    bad += badOnes;
    const rx = { frames: sent.frames + bad, bytes: sent.bytes + bad * 60 };
    const what = `${rx.frames} frames`;
    await until(what, async () =>
      (await shown()).some((port) => Number(port.rx.frames) >= rx.frames),
    );
    const [none, drops] = [{ frames: 0, bytes: 0 }, bad > 0 ? { bad_source: bad } : {}];
    expect(await shown(), what).toMatchObject([
      { name: 'web', rx, tx: none, drops },
      { name: 'db', rx: none, tx: sent, drops: {} },
    ]);
    for (const how of ['--raw', '--compressed'] as const) {
      const text = scraped(api, how);
      const read = (name: string) => Object.values(values(text, `memswitch_port_${name}_total`));
      expect([read('rx_frames'), read('rx_bytes')], what).toEqual([
        [rx.frames, 0],
        [rx.bytes, 0],
      ]);
      expect([read('tx_frames'), read('tx_bytes')], what).toEqual([
        [0, sent.frames],
        [0, sent.bytes],
      ]);
      expect(read('dropped_frames'), what).toEqual(Object.values(drops));
      expect(values(text, 'memswitch_dropped_frames_total')['bad_source rx'], what).toBe(bad);
      const polled = text.matchAll(/^memswitch_worker_burst_frames_sum\{.*\} (\d+)$/gm);
      const all = [...polled].reduce((sum, [, one]) => sum + Number(one), 0);
      expect(all, what).toBe(rx.frames);
    }
  }
});

test('by gzip say the same: whatever changed is sent as it is, and is compressed once it stays', async () => {
  const { sw, sockets } = await started();
  await using _ = sw;
  for (let n = 0; n < 200; ++n) {
    await sw.addPort(`p${n}`, memif(`${sockets.web}.${n}`));
  }
  const ports = (text: string) => text.split('# HELP memswitch_worker')[0];
  const metrics = new Metrics(sw);
  const sizes: number[] = [];
  for (let scrape = 0; scrape < 12; ++scrape) {
    const text = await metrics.text();
    const zipped = await metrics.text('gzip');
    expect(ports(gunzipSync(zipped).toString())).toBe(ports(text.toString()));
    sizes.push(zipped.length / text.length);
  }
  expect(sizes.at(0)).toBeGreaterThan(1);
  expect(sizes.at(-1)).toBeLessThan(0.2);
  await sw.setPort('p100', { bridge: 'red' });
  expect(gunzipSync(await metrics.text('gzip')).toString()).toContain(
    'memswitch_port_rx_frames_total{port="p100",kind="memif",bridge="red"} 0\n',
  );
});

describe('drops', () => {
  test('have every reason for the whole, which never falls, and for ports those that happened', async () => {
    const { sw, sockets } = await started();
    await using _ = sw;
    const metrics = new Metrics(sw);
    const total = async () =>
      values(await textOf(metrics), 'memswitch_dropped_frames_total')['no_destination rx'];
    expect(await total()).toBe(0);
    // Nobody is at the other side: frames to it have nowhere to go.
    const [left] = loadPair(sockets.web, join(sockets.web, 'nobody'));
    await until('attached', () => sw.port('web').link === 'up');
    begin(left);
    await until('drops', () => (sw.port('web').drops.no_destination ?? 0n) > 0n);
    // Read while it grows: what was read before must not be counted again.
    expect(await total()).toBeGreaterThan(0);
    left.kill('SIGKILL');
    await until('gone', () => sw.port('web').link === 'down');
    const dropped = Number(sw.port('web').drops.no_destination);
    expect(await total()).toBe(dropped);
    expect(await textOf(metrics)).toContain(
      `memswitch_port_dropped_frames_total{port="web",reason="no_destination"} ${dropped}\n`,
    );
    await sw.removePort('web');
    expect(await total()).toBe(dropped);
    expect(await textOf(metrics)).not.toContain('reason="no_destination"} ');
  });
});

describe('the checker of this test', () => {
  const good = '# HELP a_total A.\n# TYPE a_total counter\na_total{b="c"} 1\n';
  test.each([
    ['a counter without _total', good.replaceAll('a_total', 'a')],
    ['no help', good.replace(/^.*\n/, '')],
    ['a value twice', `${good}a_total{b="c"} 2\n`],
    ['a negative counter', good.replace('} 1', '} -1')],
    ['an odd name', good.replaceAll('a_total', 'A_total')],
  ])('complains about %s', (_, text) => {
    expect(lintMetrics(good)).toEqual([]);
    expect(lintMetrics(text)).not.toEqual([]);
  });

  test.each([
    ['a metric in two places', `${good}# HELP b_total B.\n# TYPE b_total counter\n${good}`],
    ['a quote that is not escaped', good.replace('"c"', '"c"d"')],
    ['a sample of another metric', `${good}b_total 1\n`],
    ['a last line without end', good.trimEnd()],
  ])('refuses %s', (_, text) => {
    expect(() => parseMetrics(text)).toThrow();
  });
});
