/** What the tests of the TypeScript half share: a folder of their own, the command, the load clients, patience. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PortOptions, Switch } from 'memswitch';
import { onTestFinished } from 'vitest';
import { until } from '../interop/processes.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const command = join(root, 'dist/switch/cli/main.js');

/** A private folder that goes away with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'memswitch-test-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function memif(socket: string, bridge = 'blue'): PortOptions {
  return { kind: 'memif', bridge, socket };
}

/** Waits until every frame that came is accounted for: sent, or dropped with a reason. */
export function balance(sw: Switch): Promise<void> {
  return until('balance', () => {
    const { rx, tx, copies, drops } = sw.status();
    return rx.frames + copies === tx.frames + drops;
  });
}

export interface Finished {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Collects what a process prints until it has ended. */
export async function finished(child: ChildProcess): Promise<Finished> {
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (text) => {
    stdout += text;
  });
  child.stderr?.on('data', (text) => {
    stderr += text;
  });
  const [status, signal] = await once(child, 'close');
  return { status, signal, stdout, stderr };
}

export function memswitch(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return finished(spawn(process.execPath, [command, ...args], { env: { ...process.env, ...env } }));
}

/** A daemon of its own; ended with the test if it has not ended before. */
export async function daemon(args: string[], api: string) {
  const child = spawn(process.execPath, [command, 'run', '--api', api, ...args]);
  const end = finished(child);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await end;
  });
  const line = await Promise.race([firstLine(child), end.then(({ stderr }) => stderr)]);
  return { child, end, line };
}

export async function firstLine(child: ChildProcess): Promise<string> {
  let text = '';
  while (!text.includes('\n') && child.stdout) {
    text += String((await once(child.stdout, 'data'))[0]);
  }
  return text;
}

export interface LoadOptions {
  socket: string;
  name: string;
  mac: string;
  peer: string;
}

/** A load client, ended with the test. It attaches at once and sends when it reads a line: see `begin`. */
export function load({ socket, name, mac, peer }: LoadOptions): ChildProcess {
  const args = { socket, id: 0, mac, peer, window: 256, size: 64, name };
  const child = spawn(
    join(root, 'build/Release/load'),
    Object.entries(args).flatMap(([key, value]) => [`--${key}`, String(value)]),
    { stdio: ['pipe', 'ignore', 'inherit'] },
  );
  child.stdin?.on('error', () => undefined);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

export function begin(...loads: ChildProcess[]): void {
  for (const { stdin } of loads) {
    stdin?.write('\n');
  }
}

/** Two clients that send to each other, at the sockets given. */
export function loadPair(left: string, right: string): [ChildProcess, ChildProcess] {
  const [one, two] = ['02:00:00:00:00:01', '02:00:00:00:00:02'];
  return [
    load({ socket: left, name: 'left', mac: one, peer: two }),
    load({ socket: right, name: 'right', mac: two, peer: one }),
  ];
}

export { until };
