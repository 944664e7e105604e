/** Applying a configuration to a live switch: only the difference, in place where it can be, all of it or nothing. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PortOptions, Switch, type SwitchOptions } from 'memswitch';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Load } from '../../switch/cli/load.js';
import { daemon, folder, memif, memswitch, until } from './support.js';

const [one, two] = ['02:00:00:00:00:01', '02:00:00:00:00:02'];

/** Everything that a configuration sets, as the switch shows it. */
function shape(sw: Switch) {
  const ports = sw.ports().map(({ name, kind, bridge, macLimit, mtu, options }) => {
    return { name, kind, bridge, macLimit, mtu, options };
  });
  const bridges = sw.bridges().map(({ macs: _, ports: __, ...bridge }) => bridge);
  const { macs } = sw.macs({ kind: 'static' });
  const sorted = <T>(list: T[]) =>
    list.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return { ports: sorted(ports), bridges: sorted(bridges), macs: sorted(macs) };
}

async function started(configuration: SwitchOptions) {
  const sw = await Switch.start(configuration);
  onTestFinished(() => sw.close());
  return sw;
}

function client(name: string, socket: string, mac: string, peer: string): Load {
  const load = new Load({ name, socket, mac, peer, window: 256, size: 64 });
  onTestFinished(() => load.kill());
  return load;
}

test('a running pair loses nothing while everything else comes, changes and goes', async () => {
  const path = folder();
  const socket = (name: string) => join(path, `${name}.sock`);
  const pair = { left: memif(socket('left')), right: memif(socket('right')) };
  const configurations: SwitchOptions[] = [
    { bridges: { blue: { ageing: 60 } }, ports: { ...pair, a: memif(socket('a'), 'blue') } },
    {
      bridges: { blue: { ageing: 60, static: { '02:00:00:00:00:0a': 'a' } } },
      ports: { ...pair, a: { ...memif(socket('a')), mtu: 1500 }, b: memif(socket('b'), 'red') },
    },
    { ports: { ...pair, b: { ...memif(socket('b'), 'red'), secret: 'x' } as PortOptions } },
    {
      ports: {
        left: { ...pair.left, mtu: 2000, polling: 'interrupt' },
        right: { ...pair.right, macLimit: 7, polling: 'busy' },
      },
    },
    { ports: pair },
  ];
  const sw = await started({ ports: pair });
  const loads = [
    client('left', socket('left'), one, two),
    client('right', socket('right'), two, one),
  ];
  await Promise.all(loads.map((load) => load.attached));
  for (const load of loads) {
    load.begin();
  }
  await until('frames flow', () => sw.status().tx.frames > 10_000n);
  for (let round = 0; round < 10; round++) {
    for (const configuration of configurations) {
      const before = sw.status().tx.frames;
      await sw.apply(configuration);
      await until('frames flow on', () => sw.status().tx.frames > before);
    }
  }
  const reports = await Promise.all(loads.map((load) => load.finish()));
  const sum = (read: (report: (typeof reports)[number]) => number) =>
    reports.reduce((total, report) => total + read(report), 0);
  expect(reports.every(({ final, invalid }) => final && invalid === 0)).toBe(true);
  expect(sum(({ received }) => received)).toBe(sum(({ sent }) => sent));
  for (const name of ['left', 'right']) {
    expect(sw.port(name)).toMatchObject({ attaches: 1 });
  }
  expect(sw.drops()).toEqual([]);
});

describe('differences', () => {
  test('that a live port or bridge takes are made in place', async () => {
    const path = folder();
    const web = memif(join(path, 'web.sock'));
    const sw = await started({ ports: { web } });
    client('web', join(path, 'web.sock'), one, two);
    await until('it is attached', () => sw.port('web').link === 'up');
    const changes = await sw.apply({
      bridges: { blue: { ageing: 7, flood: false }, red: { learn: false } },
      ports: { web: { ...web, bridge: 'red', mtu: 1500, macLimit: 3, polling: 'busy' } },
    });
    expect(changes).toEqual([
      { action: 'add', what: 'bridge', name: 'red', details: [] },
      {
        action: 'change',
        what: 'bridge',
        name: 'blue',
        details: ['ageing: 300 → 7', 'flood: true → false'],
      },
      {
        ...{ action: 'change', what: 'port', name: 'web' },
        details: [
          'bridge: blue → red',
          'macLimit: 0 → 3',
          'mtu: 65517 → 1500',
          'polling: none → busy',
        ],
      },
    ]);
    expect(sw.port('web')).toMatchObject({ link: 'up', attaches: 1, mtu: 1500, bridge: 'red' });
  });

  test('of a bridge that must be made anew keep its ports and their links, and its static addresses', async () => {
    const path = folder();
    const web = memif(join(path, 'web.sock'));
    const blue = { static: { '02:00:00:00:00:0A': 'web' } };
    const sw = await started({ bridges: { blue }, ports: { web } });
    client('web', join(path, 'web.sock'), one, two);
    await until('it is attached', () => sw.port('web').link === 'up');
    const changes = await sw.apply({ bridges: { blue: { ...blue, macLimit: 5 } }, ports: { web } });
    const details = ['macLimit: 65536 → 5'];
    expect(changes).toEqual([{ action: 'replace', what: 'bridge', name: 'blue', details }]);
    expect(sw.bridge('blue')).toMatchObject({ macLimit: 5, macs: 1, ports: ['web'] });
    expect(sw.port('web')).toMatchObject({ link: 'up', attaches: 1 });
  });

  test('that a live port cannot take replace it, without telling a secret', async () => {
    const web = memif(join(folder(), 'web.sock'));
    const sw = await started({ bridges: { blue: { static: { [one]: 'web' } } }, ports: { web } });
    await sw.addStaticMac('blue', two, 'web');
    const changes = await sw.apply({
      bridges: { blue: { static: { [one]: 'web' } } },
      ports: { web: { ...web, secret: 'hush', ringSize: 64 } as typeof web },
    });
    expect(changes.map(({ action, name, details }) => [action, name, details])).toEqual([
      ['replace', 'web', ['secret', 'ringSize: 1024 → 64']],
      ['add', `${one} blue`, ['at port web']],
    ]);
    expect(
      sw
        .macs({ kind: 'static' })
        .macs.map(({ mac }) => mac)
        .sort(),
    ).toEqual([one, two]);
  });

  test('replace a tunnel together with the port that carries it', async () => {
    const path = folder();
    const nic = memif(join(path, 'nic.sock'));
    const tunnel = {
      ...({ kind: 'vxlan', bridge: 'red', vni: 7, local: '192.0.2.1', underlay: 'nic' } as const),
      remotes: ['192.0.2.2'],
    };
    const sw = await started({ ports: { nic, tunnel } });
    const live = await sw.apply({ ports: { nic, tunnel: { ...tunnel, remotes: ['192.0.2.3'] } } });
    expect(live.map(({ action, name }) => [action, name])).toEqual([['change', 'tunnel']]);
    expect(sw.tunnel('tunnel').remotes.map(({ address }) => address)).toEqual(['192.0.2.3']);
    const both = await sw.apply({ ports: { tunnel, nic: { ...nic, ringSize: 64 } as typeof nic } });
    expect(both.map(({ action, name }) => [action, name]).sort()).toEqual([
      ['replace', 'nic'],
      ['replace', 'tunnel'],
    ]);
    expect(sw.tunnel('tunnel').remotes.map(({ address }) => address)).toEqual(['192.0.2.2']);
  });

  test('leave alone what was added live, unless it is to be pruned', async () => {
    const path = folder();
    const web = memif(join(path, 'web.sock'));
    const sw = await started({ ports: { web } });
    await sw.addPort('pod', memif(join(path, 'pod.sock'), 'green'));
    await sw.addStaticMac('blue', one, 'web');
    expect(await sw.apply({ ports: { web } })).toEqual([]);
    const pruned = await sw.apply({ ports: { web } }, { prune: true, dryRun: true });
    expect(pruned.map(({ action, what, name }) => `${action} ${what} ${name}`)).toEqual([
      'remove port pod',
      `remove static ${one} blue`,
      'remove bridge green',
    ]);
    expect(sw.ports()).toHaveLength(2);
    await sw.apply({ ports: { web } }, { prune: true });
    expect(sw.macs().macs).toEqual([]);
    expect(sw.bridges().map(({ name }) => name)).toEqual(['blue']);
    expect(sw.ports().map(({ name }) => name)).toEqual(['web']);
  });
});

/** Small configurations of every shape over few names, so that they collide in every way. */
function randomConfiguration(path: string, next: (below: number) => number): SwitchOptions {
  const pick = <T>(list: readonly T[]) => list[next(list.length)] as T;
  const names = ['p', 'q', 'r', 's'].filter(() => next(4) > 0);
  const ports = Object.fromEntries(
    names.map((name) => [
      name,
      {
        ...memif(join(path, `${pick(['x', 'y'])}.sock`), pick(['blue', 'red', 'green'])),
        id: 'pqrs'.indexOf(name),
        mtu: pick([1500, 9000]),
        ringSize: pick([64, 128]),
      },
    ]),
  );
  const listed = ['blue', 'red', 'green'].filter(() => next(2) > 0);
  const bridges = Object.fromEntries(
    listed.map((bridge) => {
      const inside = names.filter((name) => ports[name]?.bridge === bridge);
      const macs = [one, two].filter(() => inside.length > 0 && next(2) > 0);
      const options = { ageing: pick([10, 20]), macLimit: pick([100, 200]) };
      return [
        bridge,
        { ...options, static: Object.fromEntries(macs.map((mac) => [mac, pick(inside)])) },
      ];
    }),
  );
  return { bridges, ports };
}

test('after any sequence of configurations the switch is as if it had been started with the last', async () => {
  const path = folder();
  let seed = 7;
  const next = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  const sw = await started({});
  for (let round = 0; round < 60; round++) {
    const configuration = randomConfiguration(path, next);
    await sw.apply(configuration);
    expect(await sw.apply(configuration), 'nothing is left to do').toEqual([]);
    const after = shape(sw);
    if (round % 3 === 0) {
      const broken = randomConfiguration(path, next);
      const bad = { kind: 'memif', bridge: 'new', socket: '/nowhere/x.sock' } as const;
      await expect(sw.apply({ ...broken, ports: { ...broken.ports, bad } })).rejects.toThrow(
        /port "bad": .*nothing was changed/,
      );
      expect(shape(sw), 'a configuration that fails leaves no trace').toEqual(after);
    }
    // Its sockets are in use: the same elsewhere.
    await using fresh = await Switch.start(
      JSON.parse(JSON.stringify(configuration).replaceAll(path, folder())) as SwitchOptions,
    );
    const text = (of: Switch) =>
      JSON.stringify(shape(of)).replaceAll(/"socket":"[^"]*\//g, '"socket":"');
    expect(text(sw)).toBe(text(fresh));
  }
});

describe('memswitch apply', () => {
  async function served(text: string) {
    const path = folder();
    const [api, file] = [join(path, 'api.sock'), join(path, 'memswitch.yaml')];
    const write = (now: string) => writeFileSync(file, now.replaceAll('DIR', path));
    write(text);
    const running = await daemon(['--config', file], api);
    const run = (...args: string[]) => memswitch(args, { MEMSWITCH_API: api });
    return { ...running, api, file, write, run };
  }
  const web = 'web: { kind: memif, bridge: blue, socket: DIR/web.sock }';
  const db = 'db: { kind: memif, bridge: blue, socket: DIR/db.sock }';

  test('prints the difference, makes it, and then has nothing to do', async () => {
    const { write, run, file } = await served(`ports: { ${web} }`);
    write(`bridges: { blue: { ageing: 60 } }\nports: { ${db} }`);
    const lines = '~ bridge blue: ageing: 300 → 60\n- port web\n+ port db\n';
    expect(await run('apply', file, '--dry-run')).toMatchObject({
      status: 0,
      stdout: `${lines}would be: 1 added, 1 changed, 0 replaced, 1 removed; nothing was done\n`,
    });
    expect(JSON.parse((await run('show', 'ports', '--json')).stdout)).toMatchObject([
      { name: 'web' },
    ]);
    expect((await run('apply', file)).stdout).toBe(
      `${lines}1 added, 1 changed, 0 replaced, 1 removed\n`,
    );
    expect((await run('apply', file)).stdout).toBe('nothing to change\n');
    expect(JSON.parse((await run('apply', file, '--json')).stdout)).toEqual([]);
    expect(JSON.parse((await run('show', 'ports', '--json')).stdout)).toMatchObject([
      { name: 'db' },
    ]);
  });

  test('refuses a file with mistakes, and one that cannot be carried out, and changes nothing', async () => {
    const { write, run, file } = await served(`ports: { ${web} }`);
    write(`ports: { ${web.replace('}', ', ringSize: 7 }')} }`);
    expect(await run('apply', file)).toMatchObject({
      status: 1,
      stderr: 'memswitch: ports.web.ringSize: must be a power of two from 2 to 16384, got 7\n',
    });
    write(`ports: { ${db}, bad: { kind: memif, bridge: blue, socket: /nowhere/x.sock } }`);
    const { status, stderr } = await run('apply', file);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^memswitch: port "bad": .*; nothing was changed\n$/),
    });
    write(`workers: 2\nports: { ${web} }`);
    expect((await run('apply', file)).stdout).toBe(
      '+ worker 1\n1 added, 0 changed, 0 replaced, 0 removed\n',
    );
    expect(JSON.parse((await run('show', 'ports', '--json')).stdout)).toMatchObject([
      { name: 'web' },
    ]);
    expect((await run('apply', join(file, 'none'))).status).toBe(1);
  });
});
