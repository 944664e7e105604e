/** What a supervisor such as systemd is told by sd_notify(3); without one, nothing. */
import { hrtime } from 'node:process';
import { native } from '../native.js';

export class Supervisor {
  readonly #socket: string | undefined;
  readonly #watchdogUs: number;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor({ NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv = process.env) {
    this.#socket = NOTIFY_SOCKET;
    const ours = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
    this.#watchdogUs = ours ? Number(WATCHDOG_USEC ?? 0) : 0;
    // Children, such as those a host is asked by, are not the service.
    delete process.env.NOTIFY_SOCKET;
    delete process.env.WATCHDOG_PID;
  }

  /** What another process of ours needs to be the service. */
  get environment(): NodeJS.ProcessEnv {
    return {
      ...(this.#socket !== undefined && { NOTIFY_SOCKET: this.#socket }),
      ...(this.#watchdogUs > 0 && { WATCHDOG_USEC: String(this.#watchdogUs) }),
    };
  }

  /** @param alive asked twice in a watchdog's time; when it throws or says no, the supervisor is left to act. */
  ready(status: string, alive: () => boolean): void {
    this.#tell('READY=1', `STATUS=${status}`);
    if (this.#watchdogUs > 0) {
      this.#timer ??= setInterval(() => {
        if (alive()) {
          this.#tell('WATCHDOG=1');
        }
      }, this.#watchdogUs / 2000);
    }
  }

  /** With the time, that systemd may tell this from an older one (Type=notify-reload). READY=1 follows. */
  reloading(): void {
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${hrtime.bigint() / 1000n}`);
  }

  stopping(): void {
    clearInterval(this.#timer);
    if (!this.#ended) {
      this.#tell('STOPPING=1');
    }
  }

  /** The service goes on in another process. */
  handedTo(pid: number): void {
    clearInterval(this.#timer);
    this.#tell(`MAINPID=${pid}`);
    this.#ended = true;
  }

  #tell(...lines: string[]): void {
    if (this.#socket !== undefined) {
      native.notifySupervisor(this.#socket, `${lines.join('\n')}\n`);
    }
  }
}
