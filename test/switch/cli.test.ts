/** The command as its users call it: what it prints, where, and with which exit status. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from 'memswitch';
import { describe, expect, test } from 'vitest';
import { daemon, finished, folder, memswitch, root, until } from './support.js';

async function served() {
  const path = folder();
  const api = join(path, 'api.sock');
  const config = join(path, 'config.yaml');
  writeFileSync(config, `ports: { web: { kind: memif, bridge: blue, socket: ${path}/web.sock } }`);
  const running = await daemon(['--config', config], api);
  const run = (line: string) => memswitch(line.split(' '), { MEMSWITCH_API: api });
  return { ...running, api, path, run };
}

describe('run', () => {
  test('says in one line that it is ready', async () => {
    const { line, api } = await served();
    expect(line).toBe(`memswitch ready ports=1 workers=1 api=${api}\n`);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('ends cleanly on %s', async (signal) => {
    const { child, end, api, path } = await served();
    child.kill(signal);
    expect(await end).toMatchObject({ status: 0, stderr: '' });
    expect(existsSync(api)).toBe(false);
    expect(existsSync(join(path, 'web.sock'))).toBe(false);
  });

  test('tells every mistake of a configuration, a line each', async () => {
    const config = join(folder(), 'config.yaml');
    writeFileSync(config, 'polling: fast\nports: { web: { kind: memif, bridge: b, socket: x } }');
    const { status, stdout, stderr } = await memswitch(['run', '--config', config, '--api', '/x']);
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.trimEnd().split('\n')).toEqual([
      'memswitch: polling: must be one of: busy, adaptive, interrupt, got "fast"',
      'memswitch: ports.web.socket: must be an absolute path or @name, at most 107 bytes, got "x"',
    ]);
  });

  test('says which port it could not open', async () => {
    const path = folder();
    const config = join(path, 'config.yaml');
    writeFileSync(config, 'ports: { web: { kind: memif, bridge: b, socket: /nowhere/x.sock } }');
    const api = join(path, 'api.sock');
    const { status, stderr } = await memswitch(['run', '--config', config, '--api', api]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^memswitch: port "web": .*\/nowhere\/x\.sock/);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('a live switch', () => {
  test('is shown to people', async () => {
    const { run } = await served();
    expect((await run('show ports')).stdout).toBe(
      'PORT  KIND   BRIDGE  LINK  RX FRAMES  TX FRAMES  DROPS  MACS  PEER\n' +
        'web   memif  blue    down          0          0      0     0     -\n',
    );
    expect((await run('show switch')).stdout).toContain(version);
    expect((await run('show ports web')).stdout).toMatch(/^ringSize\s+1,024$/m);
    expect((await run('show bridges')).stdout).toMatch(/^blue +300 +65,536/m);
    expect((await run('show bridges blue')).stdout).toMatch(/^ports +web$/m);
    expect((await run('show workers')).stdout).toMatch(/^ +0 +- +adaptive +true/m);
    expect((await run('show macs')).stdout).toBe('no addresses\n');
    expect((await run('show drops')).stdout).toBe('nothing was dropped\n');
  });

  test('is shown to programs as the API has it', async () => {
    const { run } = await served();
    const [port] = JSON.parse((await run('show ports --json')).stdout);
    const one = JSON.parse((await run('show ports web --json')).stdout);
    expect(one).toEqual(port);
    expect(one).toMatchObject({ name: 'web', link: 'down', rx: { frames: 0, bytes: 0 } });
  });

  test('is shown again and again', async () => {
    const { api } = await served();
    const child = spawn(process.execPath, [
      join(root, 'dist/switch/cli/main.js'),
      ...['show', 'drops', '--watch', '--api', api],
    ]);
    const end = finished(child);
    let shown = '';
    child.stdout.on('data', (text) => {
      shown += text;
    });
    await until('it is shown three times', () => shown.split('\n').length > 3);
    child.kill('SIGTERM');
    expect((await end).stdout).toMatch(/^(nothing was dropped\n){3,}$/);
  });

  test('is changed: ports, bridges and addresses come and go', async () => {
    const { run, path } = await served();
    const lines = [
      `add port db --kind memif --bridge red --socket ${path}/db.sock --ring-size 512 --mac-limit 7`,
      'add bridge green --ageing 60 --flood false',
      'set bridge red --ageing 0',
      'set port db --bridge blue',
      'add mac 02:00:00:00:00:01 --bridge blue --port db',
    ];
    for (const line of lines) {
      expect(await run(line), line).toMatchObject({ status: 0, stdout: '', stderr: '' });
    }
    const db = JSON.parse((await run('show ports db --json')).stdout);
    expect(db).toMatchObject({ bridge: 'blue', macLimit: 7, options: { ringSize: 512 } });
    expect((await run('show macs --port db')).stdout).toMatch(/02:00:00:00:00:01 +db +static +-/);
    expect((await run('flush macs')).stdout).toBe('0 removed\n');
    const removals = ['mac 02:00:00:00:00:01 --bridge blue', 'port db', 'bridge green'];
    for (const what of removals) {
      expect(await run(`delete ${what}`)).toMatchObject({ status: 0, stdout: '', stderr: '' });
    }
    expect(JSON.parse((await run('show ports --json')).stdout)).toHaveLength(1);
  });

  test('gives its metrics', async () => {
    const { run } = await served();
    expect((await run('metrics')).stdout).toContain('memswitch_port_up{port="web"');
  });

  test.each([
    ['show ports nope', /^memswitch: port "nope" does not exist; known: web\n$/],
    ['delete bridge blue', /^memswitch: bridge "blue" still has ports: web; remove them/],
    [
      'add port web --kind memif --bridge blue --socket @x',
      /^memswitch: port "web" exists already/,
    ],
    [
      'add port db --kind memif --bridge blue --socket @x --ring-size 1000',
      /^memswitch: ports\.db\.ringSize: must be a power of two from 2 to 16384, got 1000\n$/,
    ],
  ])('refuses in one line: %s', async (line, message) => {
    const { run } = await served();
    expect(await run(line)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(message),
    });
  });
});

describe('wrong usage has exit status 2', () => {
  test.each([
    '',
    'nonsense',
    'show',
    'show nonsense',
    'show macs name',
    'show ports --nonsense',
    'show macs --limit many',
    'add port',
    'add port web',
    'add port web --kind nonsense',
    'add port web --kind memif --id many',
    'add mac 02:00:00:00:00:01',
    'set',
    'delete port',
    'run --nonsense',
  ])('memswitch %s', async (line) => {
    const { status, stdout, stderr } = await memswitch(line === '' ? [] : line.split(' '));
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).not.toBe('');
  });
});

test('help is no failure', async () => {
  for (const line of ['--help', 'show --help', 'add port --help', 'help run']) {
    expect(await memswitch(line.split(' ')), line).toMatchObject({ status: 0, stderr: '' });
  }
});

test('without a daemon it says how to start one', async () => {
  const api = join(folder(), 'none.sock');
  expect(await memswitch(['show', 'ports', '--api', api])).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(
      /^memswitch: no memswitch answers at .*; start one with: memswitch run/,
    ),
  });
});

test('a user without a runtime folder is told to name a socket', async () => {
  const args = ['-e', 'process.setuid(65534); import(process.argv[1])'];
  const main = join(root, 'dist/switch/cli/main.js');
  const env = { ...process.env, XDG_RUNTIME_DIR: '', MEMSWITCH_API: '' };
  const child = spawn(process.execPath, [...args, main, 'show', 'ports'], { env });
  const { status, stderr } = await finished(child);
  expect(status).toBe(1);
  expect(stderr).toContain('--api SOCKET or MEMSWITCH_API');
});

describe('completion', () => {
  test('knows commands, options, choices, and the names of live ports', async () => {
    const { run } = await served();
    const words = async (typed: string) =>
      (await run(`completion words -- ${typed}`)).stdout.split('\n').filter((word) => word !== '');
    expect(await words('sh')).toEqual(expect.arrayContaining(['show', 'apply', 'run']));
    expect(await words('show po')).toEqual(expect.arrayContaining(['ports', 'macs']));
    expect(await words('show ports w')).toEqual(['web']);
    expect(await words('show --')).toEqual(expect.arrayContaining(['--json', '--watch']));
    expect(await words('add po')).toEqual(expect.arrayContaining(['port', 'bridge', 'static']));
    expect(await words('add port x --kind m')).toEqual(expect.arrayContaining(['memif', 'vxlan']));
    expect(await words('add port x --bridge b')).toEqual(['blue']);
    expect(await words('set port w')).toEqual(['web']);
    expect(await words('show macs --port w')).toEqual(['web']);
  });

  test('works in bash', async () => {
    const { api } = await served();
    const script = `memswitch() { ${process.execPath} ${join(root, 'dist/switch/cli/main.js')} "$@"; }
source <(memswitch completion bash)
COMP_WORDS=(memswitch show ports w) COMP_CWORD=3
_memswitch
echo "\${COMPREPLY[@]}"`;
    const env = { ...process.env, MEMSWITCH_API: api };
    expect(await finished(spawn('bash', ['-c', script], { env }))).toMatchObject({
      stdout: 'web\n',
      stderr: '',
    });
  });

  test('has scripts for zsh and fish', async () => {
    expect((await memswitch(['completion', 'zsh'])).stdout).toMatch(/^#compdef memswitch$/m);
    expect((await memswitch(['completion', 'fish'])).stdout).toMatch(/^complete -c memswitch /m);
    expect((await memswitch(['completion', 'csh'])).status).toBe(2);
  });
});

test('every command shows examples in its help', async () => {
  const commands = (await memswitch(['completion', 'words', '--', ''])).stdout.trim().split('\n');
  expect(commands.length).toBeGreaterThan(8);
  const below: Record<string, string[]> = {
    add: ['port', 'bridge', 'static', 'remote'],
    set: ['port', 'bridge'],
    delete: ['port', 'bridge', 'static', 'remote'],
    flush: ['macs'],
  };
  const elsewhere = ['bench', 'help', 'attach'];
  for (const name of commands.filter((each) => !elsewhere.includes(each))) {
    for (const line of (below[name] ?? ['']).map((each) => `${name} ${each}`.trim().split(' '))) {
      const { stdout } = await memswitch([...line, '--help']);
      expect(stdout, line.join(' ')).toMatch(/Examples:\n {2}(memswitch|source) /);
    }
  }
});

test('words of other switches are understood', async () => {
  const { run } = await served();
  expect((await run('show interface')).stdout).toBe((await run('show ports')).stdout);
  expect((await run('show fdb -j')).stdout).toBe((await run('show macs --json')).stdout);
});

test('the JSON Schema is printed for editors', async () => {
  const { properties } = JSON.parse((await memswitch(['schema'])).stdout);
  expect(Object.keys(properties)).toEqual(expect.arrayContaining(['workers', 'bridges', 'ports']));
});

test('colours are used on a terminal only, and not with NO_COLOR', async () => {
  const { api } = await served();
  const shown = async (env: NodeJS.ProcessEnv) => {
    const line = `${process.execPath} ${join(root, 'dist/switch/cli/main.js')} show ports --api ${api}`;
    // Node shows no colours where CI is set, terminal or not.
    const { NO_COLOR: _, FORCE_COLOR: __, CI: ___, ...rest } = process.env;
    const child = spawn('script', ['-qec', line, '/dev/null'], {
      env: { ...rest, TERM: 'xterm-256color', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return (await finished(child)).stdout;
  };
  expect(await shown({})).toContain('\x1b[1m');
  expect(await shown({ NO_COLOR: '1' })).not.toContain('\x1b');
});
