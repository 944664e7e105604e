/** Programs that a test starts, and ends by their process id. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

const started = new Set<Program>();

export class Program {
  readonly #child: ChildProcess;
  output = '';

  constructor(command: string, args: string[]) {
    // Dies with the tests even when these are killed. Standard input stays open: testpmd ends with it.
    const bound = ['--pdeathsig', 'KILL', '--', command, ...args];
    this.#child = spawn('setpriv', bound, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin?.on('error', () => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (text) => {
        this.output += text;
      });
    }
    started.add(this);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    started.delete(this);
    if (this.running) {
      const exit = once(this.#child, 'exit');
      this.#child.kill('SIGCONT');
      this.#child.kill(signal);
      await exit;
    }
    return this.#child.exitCode;
  }

  /** Types lines. */
  say(...lines: string[]): void {
    this.#child.stdin?.write(`${lines.join('\n')}\n`);
  }

  /** Types the end of the input. */
  hangUp(): void {
    this.#child.stdin?.end();
  }

  /** Asks again and again until what it says is as wanted. */
  async answer(question: string, wanted: RegExp): Promise<void> {
    const from = this.output.length;
    for (let asked = 0; !wanted.test(this.output.slice(from)); await delay(10)) {
      if (!this.running || asked > 500) {
        const end = this.running
          ? ''
          : ` (it ended: ${this.#child.signalCode ?? this.#child.exitCode})`;
        const said = this.output.slice(from).slice(-600);
        throw new Error(`no answer to '${question}' is like ${wanted}${end}: ${said}`);
      }
      if (asked++ % 10 === 0) {
        this.say(question);
      }
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with what it said when it has ended by itself. */
  async finished(): Promise<{ status: number | null; output: string }> {
    if (this.running) {
      await once(this.#child, 'close');
    }
    started.delete(this);
    return { status: this.#child.exitCode, output: this.output };
  }
}

export async function endAll(): Promise<void> {
  await Promise.all([...started].map((program) => program.end()));
}

/** Runs a command to its end; throws with its output when it fails. */
export function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr + stdout}`);
  }
  return stdout;
}

/** Looks again and again; a machine under load is slow, so the limit is generous and never waited for on success. */
export async function until(
  what: string,
  done: () => boolean | Promise<boolean>,
  seconds = 60,
): Promise<void> {
  for (const end = performance.now() + seconds * 1000; !(await done()); await delay(20)) {
    if (performance.now() > end) {
      throw new Error(`waited ${seconds} s in vain: ${what}`);
    }
  }
}
