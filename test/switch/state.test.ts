/** What outlives a restart, and a SIGKILL at any moment. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MacList } from 'memswitch';
import { describe, expect, test } from 'vitest';
import { Client } from '../../switch/cli/client.js';
import { sweepUnfinished } from '../../switch/state/atomic-file.js';
import { begin, daemon, folder, loadPair, memswitch, root, until } from './support.js';

test('a file that is written atomically is whole after each of 200 SIGKILLs, and nothing that was said is lost', {
  timeout: 120_000,
}, async () => {
  const path = folder();
  const lanes = ['a', 'b', 'c', 'd'].map((name) => killWriters(join(path, name), 50));
  for (const written of await Promise.all(lanes)) {
    expect(written).toBeGreaterThan(50);
  }
  expect(readdirSync(path)).toEqual(['a', 'b', 'c', 'd']);
});

/** Returns how often the file was written. */
async function killWriters(path: string, kills: number): Promise<number> {
  let said = 0;
  for (let kill = 0; kill < kills; kill++) {
    const script = join(root, 'test/switch/state-writer.mjs');
    const writer = spawn(process.execPath, [script, path, String(said + 1)]);
    const lines = collect(writer);
    await once(writer.stdout, 'data');
    // From the first write on, at another point of its course each time.
    await delay((kill % 20) / 4);
    writer.kill('SIGKILL');
    await once(writer, 'close');
    const last = Number(lines().trim().split('\n').at(-1));
    const [before, text = '', after] = readFileSync(path, 'utf8').split('\n');
    expect({ before, length: text.length }).toEqual({ before: after, length: 200_000 });
    expect([last, last + 1]).toContain(Number(before));
    said = Number(before);
  }
  sweepUnfinished(path);
  return said;
}

function collect(child: ChildProcess): () => string {
  let text = '';
  child.stdout?.on('data', (part) => {
    text += part;
  });
  return () => text;
}

async function place() {
  const path = folder();
  const [api, config, state] = ['api.sock', 'memswitch.yaml', 'state'].map((it) => join(path, it));
  const socket = (name: string) => join(path, `${name}.sock`);
  const run = async (line: string) => {
    const done = await memswitch(line.split(' '), { MEMSWITCH_API: api });
    expect(done, line).toMatchObject({ status: 0, stderr: '' });
    return done.stdout;
  };
  const args = ['--config', config as string, '--state', state as string];
  const start = (...more: string[]) => daemon([...args, ...more], api as string);
  const names = async (what: string) =>
    (JSON.parse(await run(`show ${what} --json`)) as { name: string }[]).map(({ name }) => name);
  const write = (text: string) => writeFileSync(config as string, text);
  return {
    path,
    api: api as string,
    state: state as string,
    config: config as string,
    socket,
    run,
    start,
    names,
    write,
  };
}

describe('a daemon that is killed', () => {
  test('comes back with what was applied, changed and added live', async () => {
    const { socket, run, start, names, write, state, path } = await place();
    write(`bridges: { blue: { static: { '02:00:00:00:00:01': web } } }
ports: { web: { kind: memif, bridge: blue, socket: ${socket('web')}, secret: hush } }`);
    const first = await start();
    await run(`add port pod --kind memif --bridge red --socket ${socket('pod')} --ring-size 64`);
    await run('add mac 02:00:00:00:00:02 --bridge blue --port web');
    await run('set port web --mtu 1500');
    await run('set bridge blue --ageing 7');
    const shown = async () => [
      await run('show ports pod --json'),
      await run('show ports web --json'),
      (JSON.parse(await run('show macs --json')) as MacList).macs.map(({ mac }) => mac).sort(),
      await run('show bridges --json'),
    ];
    const before = await shown();
    first.child.kill('SIGKILL');
    await first.end;
    const second = await start();
    expect(await shown()).toEqual(before);
    expect(JSON.parse(await run('show ports web --json'))).toMatchObject({
      mtu: 1500,
      options: { secret: true },
    });
    expect(lstatSync(join(state, 'state.json')).mode & 0o777).toBe(0o600);
    // What was applied goes before the file that was read earlier, and stays.
    writeFileSync(
      join(path, 'other.yaml'),
      `ports: { db: { kind: memif, bridge: blue, socket: ${socket('db')} } }`,
    );
    await run(`apply ${join(path, 'other.yaml')}`);
    expect((await names('ports')).sort()).toEqual(['db', 'pod']);
    second.child.kill('SIGKILL');
    await second.end;
    const third = await start();
    expect((await names('ports')).sort()).toEqual(['db', 'pod']);
    // A file that was edited is what is wanted now.
    third.child.kill('SIGTERM');
    await third.end;
    write(`ports: { new: { kind: memif, bridge: blue, socket: ${socket('new')} } }`);
    await start();
    expect((await names('ports')).sort()).toEqual(['new', 'pod']);
  });

  test('at any moment has lost no change that it had said was done', {
    timeout: 60_000,
  }, async () => {
    const { socket, start, names, write, run } = await place();
    write('ports: {}');
    const known = new Set<string>();
    for (let round = 0; round < 8; round++) {
      const { child, end } = await start();
      expect((await names('ports')).filter((name) => known.has(name))).toHaveLength(known.size);
      const adding = (async () => {
        for (let i = 0; ; i++) {
          const name = `r${round}n${i}`;
          const line = `add port ${name} --kind memif --bridge blue --socket ${socket('all')} --id ${round * 100 + i}`;
          await run(line);
          known.add(name);
        }
      })().catch(() => undefined);
      await until('one was added', () => known.size > round);
      await delay(round * 37);
      child.kill('SIGKILL');
      await Promise.all([end, adding]);
    }
    expect(known.size).toBeGreaterThanOrEqual(8);
  });

  test('refuses a state that is no state, and says what to do', async () => {
    const { start, write, state } = await place();
    write('ports: {}');
    const { child, end } = await start();
    child.kill('SIGTERM');
    await end;
    writeFileSync(join(state, 'state.json'), '{"version":1');
    const { line } = await start();
    expect(line).toMatch(/^memswitch: .*state\.json: .*; mend or remove the file; .*\n$/);
  });

  test('drops what cannot come back, and says so', async () => {
    const { start, write, socket, run, names, state } = await place();
    write('ports: {}');
    const { child, end } = await start();
    await run(`add port pod --kind memif --bridge red --socket ${socket('pod')}`);
    child.kill('SIGTERM');
    await end;
    const file = join(state, 'state.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace(socket('pod'), '/nowhere/pod.sock'));
    const again = await start();
    expect(await names('ports')).toEqual([]);
    again.child.kill('SIGTERM');
    expect((await again.end).stderr).toMatch(/^memswitch: port "pod": .*\/nowhere/);
  });
});

describe('learned addresses, where they are kept', () => {
  /** Of a daemon whose two clients have spoken; a third address is static. */
  async function withTraffic() {
    const there = await place();
    const { socket, write, start } = there;
    const port = (name: string) =>
      `${name}: { kind: memif, bridge: blue, socket: ${socket(name)} }`;
    write(`bridges: { blue: { static: { '02:00:00:00:00:03': left } } }
ports: { ${port('left')}, ${port('right')} }`);
    const first = await start('--keep-learned');
    const loads = loadPair(socket('left'), socket('right'));
    const client = new Client(there.api);
    const links = () => client.get<{ link: string }[]>('/v1/ports');
    const attached = async () => (await links()).every(({ link }) => link === 'up');
    await until('both are attached', attached);
    begin(...loads);
    const learned = async () => {
      const { macs } = await client.get<MacList>('/v1/macs?kind=learned');
      return macs.map(({ mac, bridge, port }) => `${mac} ${bridge} ${port}`).sort();
    };
    const both = ['02:00:00:00:00:01 blue left', '02:00:00:00:00:02 blue right'];
    await until('both are learned', async () => (await learned()).length === 2);
    expect(await learned()).toEqual(both);
    return { ...there, client, first, loads, learned, both, file: join(there.state, 'learned') };
  }

  test('survive a SIGKILL, and go on ageing', { timeout: 120_000 }, async () => {
    const { client, first, file, loads, learned, both, start, socket, write } = await withTraffic();
    await until(
      'both are in the file',
      () => existsSync(file) && readFileSync(file, 'latin1').includes('"macs":2'),
    );
    first.child.kill('SIGKILL');
    for (const child of loads) {
      child.kill('SIGKILL');
    }
    await first.end;
    const second = await start('--keep-learned');
    expect(await learned()).toEqual(both);
    const { macs } = await client.get<MacList>('/v1/macs?kind=learned');
    expect(macs.every(({ age }) => age !== null && age < 300)).toBe(true);
    // Whose port has gone is forgotten, and whose bridge lets nothing grow that old.
    second.child.kill('SIGTERM');
    await second.end;
    write(`ports: { left: { kind: memif, bridge: blue, socket: ${socket('left')} } }`);
    const third = await start('--keep-learned');
    expect(await learned()).toEqual(both.slice(0, 1));
    third.child.kill('SIGTERM');
    await third.end;
    write(`bridges: { blue: { ageing: 1 } }
ports: { left: { kind: memif, bridge: blue, socket: ${socket('left')} } }`);
    await delay(1500);
    await start('--keep-learned');
    expect(await learned()).toEqual([]);
  });

  test('are not kept unless asked; a damaged file is told and no more', {
    timeout: 120_000,
  }, async () => {
    const { first, file, learned, start } = await withTraffic();
    first.child.kill('SIGTERM');
    expect(await first.end).toMatchObject({ status: 0 });
    const kept = readFileSync(file);
    const second = await start();
    expect(await learned()).toEqual([]);
    second.child.kill('SIGTERM');
    await second.end;
    writeFileSync(file, kept.subarray(0, -1));
    const third = await start('--keep-learned');
    expect(third.line).toMatch(/^memswitch ready/);
    expect(await learned()).toEqual([]);
    third.child.kill('SIGTERM');
    expect((await third.end).stderr).toMatch(
      /^memswitch: .*\/learned: \d+ bytes instead of \d+; addresses are learned anew\n$/,
    );
  });

  test('want a folder', async () => {
    const { line } = await daemon(['--keep-learned'], join(folder(), 'api.sock'));
    expect(line).toBe(
      'memswitch: --keep-learned: there is no folder to keep them in; name one with --state\n',
    );
  });
});

describe('SIGHUP', () => {
  test('applies the file again; one with mistakes changes nothing', async () => {
    const { start, write, socket, names, state } = await place();
    write(`ports: { web: { kind: memif, bridge: blue, socket: ${socket('web')} } }`);
    const { child, end } = await start();
    write(`ports: { db: { kind: memif, bridge: blue, socket: ${socket('db')} } }`);
    child.kill('SIGHUP');
    await until('it is applied', async () => (await names('ports')).join() === 'db');
    write('ports: { bad: { kind: memif } }');
    let told = '';
    child.stderr?.on('data', (text) => {
      told += text;
    });
    child.kill('SIGHUP');
    await until('it is refused', () => told.includes('ports.bad.socket'));
    expect(await names('ports')).toEqual(['db']);
    expect(existsSync(state)).toBe(true);
    child.kill('SIGTERM');
    expect((await end).status).toBe(0);
  });

  test('without a file is no reason to end', async () => {
    const api = join(folder(), 'api.sock');
    const { child, end } = await daemon([], api);
    child.kill('SIGHUP');
    const done = await memswitch(['show', 'switch', '--api', api]);
    expect(done.status).toBe(0);
    child.kill('SIGTERM');
    expect(await end).toMatchObject({ status: 0, stderr: '' });
  });
});
