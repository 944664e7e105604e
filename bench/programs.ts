/** Programs that the harness starts, pauses, and ends by their process id. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** The package's folder. */
export const root = dirname(createRequire(import.meta.url).resolve('memswitch/package.json'));

/** A program of the native build. */
export function built(name: string): string {
  return join(root, 'build', 'Release', name);
}

export interface ProgramOptions {
  /** CPU that it is held to; its own threads may pin themselves elsewhere. Default: any. */
  cpu?: number;
  env?: Record<string, string>;
}

export class Program {
  readonly child: ChildProcess;
  /** What it said last, for messages. */
  output = '';

  constructor(command: string, args: string[], { cpu, env }: ProgramOptions = {}) {
    // Dies with the harness even when that is killed, but not of a Ctrl-C that is the harness's to handle. Standard input
    // stays open: testpmd ends with it.
    const bound = ['--pdeathsig', 'KILL', '--', command, ...args];
    const line = cpu === undefined ? bound : ['-c', String(cpu), 'setpriv', ...bound];
    this.child = spawn(cpu === undefined ? 'setpriv' : 'taskset', line, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...env },
    });
    this.child.stdin?.on('error', () => undefined);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output = (this.output + text).slice(-4096);
      });
    }
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  pause(): void {
    this.child.kill('SIGSTOP');
  }

  resume(): void {
    this.child.kill('SIGCONT');
  }

  /** Looks until `ready`; throws with what it said when it ends before, or after `seconds`. */
  async until(ready: () => boolean, seconds = 20): Promise<void> {
    for (const end = performance.now() + seconds * 1000; !ready(); await delay(20)) {
      if (!this.running || performance.now() > end) {
        throw new Error(`did not start; it said: ${complaint(this.output)}`);
      }
    }
  }

  async stop(): Promise<void> {
    if (this.running) {
      const ended = once(this.child, 'exit');
      this.resume();
      this.child.kill('SIGTERM');
      const killed = delay(3000, undefined, { ref: false }).then(() => this.child.kill('SIGKILL'));
      await Promise.race([ended, killed]);
      await ended;
    }
  }
}

/** Of what a program said when it failed, the lines that look like the reason; else the last. */
function complaint(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.filter((line) => /error|fatal|fail|cannot|invalid/i.test(line));
  return (telling.length > 0 ? telling : lines).slice(-3).join(' ') || 'nothing';
}

/** Runs a command to its end; throws with its output when it fails. */
export function run(command: string, args: string[], env: Record<string, string> = {}): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr + stdout}`);
  }
  return stdout;
}

/** Whether the shell would find the program. */
export function onPath(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

/** 0 to `count` - 1. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
