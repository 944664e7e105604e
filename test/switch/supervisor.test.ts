/** How the daemon gets on with a supervisor: what it tells it, what it logs, and how it dies. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { command, finished, firstLine, folder, memswitch, until } from './support.js';

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

test('a fatal signal is told in one line with its priority, and ends the process', async () => {
  const home = folder();
  const { child, end, ready } = service(['--api', join(home, 'api.sock')], {
    JOURNAL_STREAM: '1:2',
  });
  await ready;
  child.kill('SIGSEGV');
  const { signal, stderr } = await end;
  expect(signal).toBe('SIGSEGV');
  expect(stderr).toMatch(/^<3>memswitch: died of SIGSEGV in thread .*: a supervisor should .*\n$/);
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
