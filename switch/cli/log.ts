/**
 * The daemon's log: one line an entry on standard error. For people; for the journal, with the priority in front
 * (sd-daemon(3)), which is the default under systemd; or JSON, for collectors. A library such as pino brings transports and
 * worker threads that a process with poll threads has no use for; this is all that is left.
 */
import type { SwitchEvent } from '../events.js';

/** With their priorities by syslog(3). */
const priorities = { error: 3, warn: 4, info: 6, debug: 7 } as const;

export type Level = keyof typeof priorities;
export const levels = Object.keys(priorities) as Level[];
export const formats = ['text', 'journal', 'json'] as const;
export type Format = (typeof formats)[number];

export type Fields = Record<string, string | number | undefined>;

/** systemd says so with each standard output that goes to the journal. */
function defaultFormat(env: NodeJS.ProcessEnv = process.env): Format {
  return env.JOURNAL_STREAM === undefined ? 'text' : 'journal';
}

export class Log {
  readonly #level: Level;
  readonly #format: Format;
  readonly #write: (line: string) => void;

  constructor(
    level: Level,
    format: Format = defaultFormat(),
    write: (line: string) => void = (line) => process.stderr.write(line),
  ) {
    this.#level = level;
    this.#format = format;
    this.#write = write;
  }

  /** What a line of another origin, of that level, begins with. */
  prefix(level: Level): string {
    return this.#format === 'journal' ? `<${priorities[level]}>` : '';
  }

  say(level: Level, message: string, fields: Fields = {}): void {
    if (priorities[level] > priorities[this.#level]) {
      return;
    }
    if (this.#format === 'json') {
      const time = new Date().toISOString();
      this.#write(`${JSON.stringify({ time, level, message, ...fields })}\n`);
      return;
    }
    // One entry, one line: what peers and files say must not look like another entry.
    const lines = message.split('\n').map((line) => `${this.prefix(level)}memswitch: ${line}\n`);
    this.#write(lines.join(''));
  }

  /** An error that somebody made: its words. A defect: also where it happened. */
  failure(error: unknown): void {
    const { message, stack, code, port } = error as Error & { code?: string; port?: string };
    const known = code !== undefined;
    this.say('error', known ? message : (stack ?? String(error)), { code, port });
  }

  /** What nobody caught, in one line with the places that it came by; the process is to end. */
  death(error: unknown): void {
    const told = error instanceof Error ? (error.stack ?? String(error)) : String(error);
    const what = told.replaceAll(/\s*\n\s*/g, ' ');
    const how =
      'This is a defect of memswitch: a supervisor should start it again; report this line';
    this.say('error', `died of an exception that nobody caught: ${what}. ${how}`);
  }

  event(event: SwitchEvent): void {
    const { level, message } = describe(event);
    const { type, ...rest } = event;
    const fields = Object.entries(rest).filter(([, value]) => typeof value !== 'object');
    this.say(level, message, { event: type, ...Object.fromEntries(fields) });
  }
}

function describe(event: SwitchEvent): { level: Level; message: string } {
  switch (event.type) {
    case 'link-up':
      return { level: 'info', message: `port "${event.port}" is up: ${event.peer}` };
    case 'link-down':
      return { level: 'info', message: `port "${event.port}" is down: ${event.reason}` };
    case 'protocol-error':
      return {
        level: 'warn',
        message: `port "${event.port}": its peer broke the protocol: ${event.reason}`,
      };
    case 'learn-limit': {
      const whose = event.port === undefined ? '' : ` of port "${event.port}"`;
      const what = `bridge "${event.bridge}": the limit of addresses${whose} is met`;
      return { level: 'warn', message: `${what}; ${event.mac} was not learned` };
    }
    case 'move': {
      const what = `bridge "${event.bridge}": ${event.mac} moved`;
      return { level: 'debug', message: `${what} from port "${event.from}" to "${event.to}"` };
    }
    case 'lost':
      return { level: 'warn', message: `${event.events} events came too fast to be told` };
    case 'worker-failed':
      return { level: 'error', message: event.error.message };
  }
}
