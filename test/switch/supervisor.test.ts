/** How the daemon gets on with a supervisor: what it tells it, what it logs, and how it dies. */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { MemifClient } from 'memswitch';
import { expect, onTestFinished, test } from 'vitest';
import { command, finished, firstLine, folder, memif, memswitch, until } from './support.js';

/** A supervisor's end of sd_notify(3), and what came there. */
async function supervisor(home: string) {
  const socket = join(home, 'notify.sock');
  const listen = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True: print(s.recv(4096).decode().strip().replace('\\n', ' '), flush=True)`;
  const child = spawn('python3', ['-c', listen, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const told: string[] = [];
  await firstLine(child);
  child.stdout?.on('data', (text) => told.push(...String(text).trim().split('\n')));
  return { socket, told };
}

function service(args: string[], env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [command, 'run', ...args], {
    env: { ...process.env, ...env },
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return { child, end: finished(child), ready: firstLine(child) };
}

test('systemd is told when it is ready, alive, reloading and stopping', async () => {
  const home = folder();
  const { socket, told } = await supervisor(home);
  const config = join(home, 'memswitch.yaml');
  writeFileSync(config, 'workers: 1\n');
  const { child, end, ready } = service(['--api', join(home, 'api.sock'), '--config', config], {
    NOTIFY_SOCKET: socket,
    WATCHDOG_USEC: '200000',
  });
  await ready;
  const times = (what: string) => told.filter((line) => line.startsWith(what)).length;
  await until('READY', () => told[0] === 'READY=1 STATUS=0 ports, 1 workers');
  await until('the watchdog hears of it', () => times('WATCHDOG=1') >= 3);
  child.kill('SIGHUP');
  await until('RELOADING', () =>
    told.some((line) => /^RELOADING=1 MONOTONIC_USEC=\d+$/.test(line)),
  );
  await until('READY again', () => times('READY=1') === 2);
  child.kill('SIGTERM');
  expect(await end).toMatchObject({ status: 0 });
  await until('STOPPING', () => told.at(-1) === 'STOPPING=1');
});

test('systemd is told which process goes on when another takes over', async () => {
  const home = folder();
  const { socket, told } = await supervisor(home);
  const api = ['--api', join(home, 'api.sock')];
  const first = service(api, { NOTIFY_SOCKET: socket });
  await first.ready;
  const second = service([...api, '--takeover'], { NOTIFY_SOCKET: socket });
  await second.ready;
  expect(await first.end).toMatchObject({ status: 0, stderr: '' });
  await until('both are told', () => told.filter((line) => line.startsWith('READY=1')).length > 1);
  expect(told).toContain(`MAINPID=${second.child.pid}`);
  expect(told).not.toContain('STOPPING=1');
});

test('SIGUSR2 starts a successor that is the service from then on, watchdog and all', async () => {
  const home = folder();
  const { socket, told } = await supervisor(home);
  const [api, web, config] = ['api.sock', 'web.sock', 'memswitch.json'].map((name) =>
    join(home, name),
  ) as [string, string, string];
  writeFileSync(config, JSON.stringify({ ports: { web: memif(web) } }));
  const { child, ready } = service(['--api', api, '--config', config], {
    NOTIFY_SOCKET: socket,
    WATCHDOG_USEC: '200000',
  });
  await ready;
  const serving = async () =>
    JSON.parse((await memswitch(['show', 'switch', '--json', '--api', api])).stdout || '{}').pid;
  onTestFinished(async () => {
    const last = await serving();
    if (last) {
      process.kill(last, 'SIGKILL');
    }
  });
  const client = await MemifClient.connect({ socket: web, signal: AbortSignal.timeout(60_000) });
  const downs: string[] = [];
  client.on('down', (why) => downs.push(why));
  // A file with a mistake ends the successor only.
  writeFileSync(config, '{ "ports": 1 }');
  child.kill('SIGUSR2');
  const errors: string[] = [];
  child.stderr?.on('data', (text) => errors.push(String(text)));
  await until('it is told', () =>
    errors.join('').includes('did not take over: it ended with status 1'),
  );
  expect(await serving()).toBe(child.pid);
  writeFileSync(config, JSON.stringify({ ports: { web: memif(web) } }));
  child.kill('SIGUSR2');
  child.kill('SIGUSR2');
  await until('another serves', async () => ![undefined, child.pid].includes(await serving()));
  const heir = await serving();
  // Its output stays open: it is the successor's too.
  await until('the first has ended', () => child.exitCode === 0);
  await until('the supervisor knows', () => told.includes(`MAINPID=${heir}`));
  const from = told.length;
  await until('the watchdog hears of it', () => told.slice(from).includes('WATCHDOG=1'));
  expect(told).not.toContain('STOPPING=1');
  expect(downs).toEqual([]);
  client.close();
  process.kill(heir, 'SIGTERM');
  await until('it ends', () => told.includes('STOPPING=1'));
});

/** Sends a signal to one thread of a process. */
function signalThread(pid: number, thread: string, signal: number): void {
  const names = spawnSync('ps', ['-L', '-o', 'lwp=,comm=', '-p', String(pid)], {
    encoding: 'utf8',
  });
  const threads = [...names.stdout.matchAll(/^\s*(\d+) (.*)$/gm)]
    .filter(([, , name]) => name === thread)
    .map(([, id]) => id);
  expect(threads).toHaveLength(1);
  const tgkill = 'import ctypes, sys; ctypes.CDLL(None).syscall(234, *map(int, sys.argv[1:]))';
  const args = ['-c', tgkill, String(pid), String(threads[0]), String(signal)];
  expect(spawnSync('python3', args).status).toBe(0);
}

test.each([
  ['SIGSEGV', 'msw-worker0'],
  ['SIGBUS', 'msw-worker1'],
  ['SIGABRT', 'msw-worker1'],
] as const)(
  '%s in %s is told in one line with its priority, and ends the process by that signal',
  async (signal, thread) => {
    const home = folder();
    const config = join(home, 'memswitch.yaml');
    // With a port, for SIGBUS has a second handler then (memif/guard.cc).
    const port = `{ kind: memif, bridge: blue, socket: ${home}/web.sock }`;
    writeFileSync(config, `workers: 2\nports: { web: ${port} }\n`);
    const { child, end, ready } = service(['--api', join(home, 'api.sock'), '--config', config], {
      JOURNAL_STREAM: '1:2',
    });
    await ready;
    const client = await MemifClient.connect({
      socket: join(home, 'web.sock'),
      signal: AbortSignal.timeout(60_000),
    });
    signalThread(child.pid ?? 0, thread, constants.signals[signal]);
    const ending = await end;
    client.close();
    expect(ending.signal).toBe(signal);
    expect(ending.stderr).toMatch(
      new RegExp(
        `^<3>memswitch: died of ${signal} in thread ${thread}(, at frames of port web)?\\. .*a supervisor should .*\\n$`,
      ),
    );
  },
);

test.each([
  ['an exception', 'throw new TypeError("on purpose")'],
  ['a rejection', 'Promise.reject(new TypeError("on purpose"))'],
])(
  '%s that nobody catches is told in one line, with its place, and ends the process',
  async (_, defect) => {
    const home = folder();
    const trap = `process.on("SIGWINCH", function trap() { ${defect}; });`;
    const { child, end, ready } = service(['--api', join(home, 'api.sock')], {
      JOURNAL_STREAM: '1:2',
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(trap)}`,
    });
    await ready;
    child.kill('SIGWINCH');
    const { status, stderr } = await end;
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^<3>memswitch: died of an exception that nobody caught: TypeError: on purpose at .*trap.*a supervisor should .*\n$/,
    );
  },
);

test('under a supervisor that restarts on failure, a worker that crashes costs its clients a moment', async () => {
  const home = folder();
  const [api, socket, config] = ['api.sock', 'web.sock', 'memswitch.yaml'].map((name) =>
    join(home, name),
  ) as [string, string, string];
  writeFileSync(config, `ports: { web: { kind: memif, bridge: blue, socket: ${socket} } }`);
  // What Restart=on-failure does.
  const loop = 'until "$@"; do sleep 0.1; done';
  const run = [process.execPath, command, 'run', '--api', api, '--config', config];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'sh', '-c', loop, 'sh', ...run]);
  const end = finished(child);
  await firstLine(child);
  const pid = async () => {
    const { status, stdout } = await memswitch(['show', 'switch', '--json', '--api', api]);
    return status === 0 ? (JSON.parse(stdout).pid as number) : 0;
  };
  const first = await pid();
  onTestFinished(async () => {
    child.kill('SIGKILL');
    const last = await pid();
    if (last > 0) {
      process.kill(last, 'SIGKILL');
    }
  });
  const client = await MemifClient.connect({ socket, signal: AbortSignal.timeout(60_000) });
  const ups: unknown[] = [];
  client.on('up', (link) => ups.push(link));
  signalThread(first, 'msw-worker0', constants.signals.SIGSEGV);
  await until('another process serves', async () => ![0, first].includes(await pid()));
  await until('the client is back', () => ups.length > 0);
  client.close();
  process.kill(await pid(), 'SIGTERM');
  expect(await end).toMatchObject({
    status: 0,
    stderr: expect.stringMatching(
      /^memswitch: died of SIGSEGV in thread msw-worker0.*\n(Segmentation fault.*\n)?$/,
    ),
  });
});

test('events are logged by level, for people, the journal and collectors', async () => {
  for (const [format, line] of [
    ['text', /^memswitch: port "web" is down: .*$/m],
    ['journal', /^<6>memswitch: port "web" is up: .*$/m],
    ['json', /^\{"time":"[^"]+","level":"info","message":.*"event":"link-up","port":"web".*\}$/m],
  ] as const) {
    const home = folder();
    const api = join(home, 'api.sock');
    const config = join(home, 'memswitch.json');
    const [web, db] = ['web', 'db'].map((name) => ({
      kind: 'memif',
      bridge: 'blue',
      socket: join(home, 'x.sock'),
      role: name === 'web' ? 'server' : 'client',
    }));
    writeFileSync(config, JSON.stringify({ ports: { web, db } }));
    const args = ['--api', api, '--config', config, '--log-level', 'info', '--log-format', format];
    const { child, end, ready } = service(args, {});
    await ready;
    const up = async () => (await memswitch(['show', 'ports', '--api', api])).stdout;
    await until('both are up', async () => (await up()).match(/ up /g)?.length === 2);
    await memswitch(['delete', 'port', 'db', '--api', api]);
    await until('one is down', async () => (await up()).includes(' down '));
    child.kill('SIGTERM');
    expect((await end).stderr).toMatch(line);
  }
});
