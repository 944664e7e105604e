/**
 * SIGUSR2: the daemon starts its own successor, with its own arguments and `--takeover`, and ends when that has everything. So one
 * signal puts in place what was installed meanwhile, and no peer notices. The successor comes from this process on purpose: it
 * is in the same control group then, and so may become the main process of the same unit of systemd (sd_notify(3), MAINPID=),
 * which an ExecReload= process may not.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { SwitchError } from '../errors.js';
import type { Supervisor } from './supervisor.js';

export class Successor {
  readonly #supervisor: Supervisor;
  readonly #failed: (error: unknown) => void;
  #coming: ChildProcess | undefined;

  /** @param failed told when one ended before it took over; this daemon goes on as it was. */
  constructor(supervisor: Supervisor, failed: (error: unknown) => void) {
    this.#supervisor = supervisor;
    this.#failed = failed;
  }

  /** One at a time. */
  readonly start = (): void => {
    if (this.#coming) {
      return;
    }
    const [node, program = '', ...given] = process.argv;
    const args = given.includes('--takeover') ? given : [...given, '--takeover'];
    const env = { ...process.env, ...this.#supervisor.environment };
    const child = spawn(node ?? process.execPath, [...process.execArgv, program, ...args], {
      env,
      stdio: 'inherit',
    });
    const ended = (why: string) => {
      if (this.#coming === child) {
        this.#coming = undefined;
        this.#failed(new SwitchError('SYSTEM', `the new daemon did not take over: ${why}`));
      }
    };
    this.#coming = child;
    child.on('error', ({ message }) => ended(message));
    child.on('exit', (status, signal) => ended(`it ended with ${signal ?? `status ${status}`}`));
    // This one ends when it has handed over; the other goes on.
    child.unref();
  };

  /** This daemon ends without having handed over: whoever is still to come must not begin anew then. */
  stop(): void {
    const child = this.#coming;
    this.#coming = undefined;
    child?.kill('SIGTERM');
  }
}
