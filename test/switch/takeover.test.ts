/** A daemon that takes the place of another under traffic: no client sees a disconnect, and no frame is lost. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { MemifClient } from 'memswitch';
import { expect, onTestFinished, test } from 'vitest';
import { noVpp, Vpp } from '../interop/relays/vpp.js';
import { begin, daemon, folder, loadPair, memswitch, until } from './support.js';

async function client(socket: string): Promise<MemifClient> {
  const made = await MemifClient.connect({ socket, signal: AbortSignal.timeout(60_000) });
  onTestFinished(() => made.close());
  return made;
}

/**
 * Sends numbered frames every millisecond from one client to another, until told to stop; then all must have come, in order. So
 * few that what waits while nobody polls fits every ring on the way.
 */
async function numbered([from, to]: [string, string], perMs = 8) {
  const [sender, receiver] = [await client(from), await client(to)];
  const downs: string[] = [];
  for (const end of [sender, receiver]) {
    end.on('down', (reason) => downs.push(reason));
  }
  // The receiver speaks once, so that frames go to it alone; after that others must remember.
  const frame = Buffer.alloc(64);
  receiver.send([Buffer.from(frame.fill('ffffffffffff020000000012', 0, 12, 'hex'))]);
  await until('it is heard', () => sender.receive().length > 0);
  sender.release();
  frame.fill('020000000012020000000011', 0, 12, 'hex');
  let sent = 0;
  const sending = setInterval(() => {
    for (let i = 0; i < perMs; i++) {
      frame.writeUInt32BE(sent, 14);
      sent += sender.send([frame]);
    }
  }, 1);
  onTestFinished(() => clearInterval(sending));
  const seen = { frames: 0, outOfOrder: 0, longest: 0 };
  let last = performance.now();
  void (async () => {
    for await (const frames of receiver.bursts()) {
      // Others' first frames are flooded here, too.
      for (const got of frames.filter((one) => one[11] === 0x11)) {
        seen.outOfOrder += got.readUInt32BE(14) === seen.frames++ ? 0 : 1;
      }
      const now = performance.now();
      seen.longest = Math.max(seen.longest, now - last);
      last = now;
    }
  })();
  /** Waits until some more have come. */
  const proceed = async () => {
    const before = seen.frames;
    await until('frames go on', () => seen.frames > before + 50);
  };
  const finish = async () => {
    clearInterval(sending);
    await until('all have come', () => seen.frames === sent);
    expect({ outOfOrder: seen.outOfOrder, downs }).toEqual({ outOfOrder: 0, downs: [] });
    return seen;
  };
  return { proceed, finish, seen };
}

async function home() {
  const path = folder();
  const [api, config] = [join(path, 'api.sock'), join(path, 'memswitch.yaml')];
  const sockets = ['left', 'right', 'from', 'to'].map((name) => join(path, `${name}.sock`));
  const ports = ['left', 'right', 'from', 'to'].map(
    (name) => `  ${name}: { kind: memif, bridge: blue, socket: ${path}/${name}.sock }\n`,
  );
  writeFileSync(config, `workers: 2\nports:\n${ports.join('')}`);
  const run = async (...args: string[]) => {
    const { status, stdout, stderr } = await memswitch([...args, '--api', api]);
    expect(`${status} ${stderr}`).toBe('0 ');
    return stdout;
  };
  const show = async (what: string) => JSON.parse(await run('show', what, '--json'));
  return { path, api, config, sockets, run, show };
}

test('peers notice nothing, no frame is lost, and what the switch knew goes over', async () => {
  const { path, api, config, sockets, run, show } = await home();
  const [left, right, from, to] = sockets as [string, string, string, string];
  let running = await daemon(['--config', config], api);
  const loads = loadPair(left, right);
  const flow = await numbered([from, to]);
  begin(...loads);
  await flow.proceed();
  await run(
    'add',
    'port',
    'late',
    '--kind',
    'memif',
    '--bridge',
    'blue',
    '--socket',
    `${path}/late.sock`,
  );
  await run('add', 'static', '02:00:00:00:00:77', '--bridge', 'blue', '--port', 'late');
  const outages: number[] = [];
  for (let round = 0; round < 3; round++) {
    await flow.proceed();
    flow.seen.longest = 0;
    const next = await daemon(['--config', config, '--takeover'], api);
    expect(await running.end).toMatchObject({ status: 0, stderr: '' });
    expect(next.line).toBe(`memswitch ready ports=5 workers=2 api=${api}\n`);
    await flow.proceed();
    outages.push(Math.round(flow.seen.longest));
    running = next;
    const { pid } = await show('switch');
    expect(pid).toBe(next.child.pid);
    const moved = (await show('ports')) as { name: string; tx: { frames: number } }[];
    const count = (name: string) => moved.find((port) => port.name === name)?.tx.frames ?? 0;
    // The loads keep a window of frames going round: one that was lost would be missing for ever.
    await until(
      'the loads go on',
      async () =>
        (await show('ports')).find((port: { name: string }) => port.name === 'left').tx.frames >
        count('left'),
    );
  }
  await flow.finish();
  expect(await run('show', 'drops')).toBe('nothing was dropped\n');
  const { macs } = await show('macs');
  // The receiver has been silent since before the first takeover.
  for (const known of [
    { mac: '02:00:00:00:00:77', port: 'late', kind: 'static' },
    { mac: '02:00:00:00:00:12', port: 'to', kind: 'learned' },
  ]) {
    expect(macs).toContainEqual(expect.objectContaining(known));
  }
  expect(loads.map(({ exitCode }) => exitCode)).toEqual([null, null]);
  console.info(`takeover: longest silence of a flow in ms: ${outages.join(', ')}`);
});

test('a file that was edited is applied after it, and one with mistakes ends only the newcomer', async () => {
  const { api, config, sockets, show } = await home();
  const [, , from, to] = sockets as [string, string, string, string];
  const first = await daemon(['--config', config], api);
  const flow = await numbered([from, to]);
  const text = readFileSync(config, 'utf8');
  writeFileSync(config, text.replace('workers: 2', 'workers: many'));
  const { status, stderr } = await memswitch([
    'run',
    '--takeover',
    '--config',
    config,
    '--api',
    api,
  ]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^memswitch: workers: /);
  await flow.proceed();
  expect((await show('switch')).pid).toBe(first.child.pid);
  writeFileSync(config, text.replace(/ {2}left: .*\n/, '').replace('workers: 2', 'workers: 1'));
  await daemon(['--config', config, '--takeover'], api);
  await first.end;
  await until('the file is applied', async () => (await show('ports')).length === 3);
  await until('so many workers', async () => (await show('workers')).length === 1);
  await flow.proceed();
  await flow.finish();
});

test('it starts anew where nobody is, and a handover to nobody is refused and harms nothing', async () => {
  const { path, api, config, sockets, show } = await home();
  const [, , from, to] = sockets as [string, string, string, string];
  const { line, child } = await daemon(['--config', config, '--takeover'], api);
  expect(line).toContain('memswitch ready ports=4');
  const flow = await numbered([from, to]);
  const curl = [
    '--silent',
    '--unix-socket',
    api,
    '-X',
    'POST',
    '-H',
    'content-type: application/json',
  ];
  const body = JSON.stringify({ socket: join(path, 'nobody'), pid: process.pid });
  const { stdout } = spawnSync('curl', [...curl, '-d', body, 'http://memswitch/v1/takeover'], {
    encoding: 'utf8',
  });
  expect(JSON.parse(stdout).error.message).toContain('No such file');
  expect((await show('switch')).pid).toBe(child.pid);
  await flow.proceed();
  await flow.finish();
});

const whyNot = noVpp();

test.skipIf(whyNot !== undefined)(
  `VPP notices as little${whyNot ? `: ${whyNot}` : ''}`,
  async () => {
    const path = folder();
    const [api, config] = [join(path, 'api.sock'), join(path, 'memswitch.yaml')];
    const socket = join(path, 'relay.sock');
    // From the left through VPP to the right.
    const port = (bridge: string, at: string, id = 0) =>
      `{ kind: memif, bridge: ${bridge}, socket: ${at}, id: ${id} }`;
    writeFileSync(
      config,
      `ports:
  left: ${port('near', `${path}/left.sock`)}
  near: ${port('near', socket)}
  far: ${port('far', socket, 1)}
  right: ${port('far', `${path}/right.sock`)}
`,
    );
    let running = await daemon(['--config', config], api);
    const relay = new Vpp({ socket, role: 'client', queues: 1 }, 'polling');
    await relay.start();
    onTestFinished(() => relay.end('SIGKILL'));
    const up = async () => (await memswitch(['show', 'ports', '--api', api])).stdout;
    await until('VPP is there', async () => (await up()).match(/ up /g)?.length === 2);
    const flow = await numbered([join(path, 'left.sock'), join(path, 'right.sock')], 1);
    for (let round = 0; round < 3; round++) {
      await flow.proceed();
      const next = await daemon(['--config', config, '--takeover'], api);
      expect(await running.end).toMatchObject({ status: 0, stderr: '' });
      running = next;
      await flow.proceed();
    }
    await flow.finish();
  },
);

test('a daemon that knows no takeover is told of in its own words, and left alone', async () => {
  const api = join(folder(), 'api.sock');
  // An old one: of the operations it has those that any has.
  const old = createServer(({ method, url }, reply) => {
    const known = method === 'GET' && url === '/v1/workers';
    const body = known
      ? [{ worker: 0, cpu: null, polling: 'adaptive' }]
      : { error: { code: 'NOT_FOUND', message: `no ${method} ${url}` } };
    reply.writeHead(known ? 200 : 404, { 'content-type': 'application/json' });
    reply.end(JSON.stringify(body));
  }).listen(api);
  onTestFinished(() => {
    old.close();
  });
  const { status, stdout, stderr } = await memswitch(['run', '--takeover', '--api', api]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toBe('memswitch: no POST /v1/takeover\n');
  expect(old.listening).toBe(true);
});
