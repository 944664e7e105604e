/** Speaks to the daemon's API. */
import { request } from 'node:http';
import { defaultSocket } from '../api/socket.js';
import { type ErrorCode, SwitchError } from '../errors.js';

const timeoutMs = 30_000;

export interface Reply {
  status: number;
  body: string;
}

export class Client {
  readonly #socket: string;

  constructor(socket: string | undefined) {
    this.#socket = socket ?? defaultSocket();
  }

  /** The text of a successful answer, as it came. */
  async text(method: string, path: string, body?: object): Promise<string> {
    const reply = await this.#send(method, path, body);
    if (reply.status >= 400) {
      throw refusal(reply);
    }
    return reply.body;
  }

  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.text('GET', path)) as T;
  }

  #send(method: string, path: string, body?: object): Promise<Reply> {
    const headers = body && { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#socket, method, path, headers, timeout: timeoutMs };
      const sent = request(options, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
        response.on('error', (cause) => reject(this.#unreachable(cause)));
      });
      sent.on('timeout', () => sent.destroy(new Error(`no answer in ${timeoutMs / 1000} s`)));
      sent.on('error', (cause) => reject(this.#unreachable(cause)));
      sent.end(body && JSON.stringify(body));
    });
  }

  #unreachable(cause: NodeJS.ErrnoException): SwitchError {
    const absent = cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED';
    const why = absent ? '' : ` (${cause.message})`;
    return new SwitchError('UNREACHABLE', `no memswitch answers at ${this.#socket}${why}`, {
      path: this.#socket,
      hint: 'start one with: memswitch run --config FILE, or name its socket with --api',
      cause,
    });
  }
}

function refusal({ status, body }: Reply): SwitchError {
  try {
    const { error } = JSON.parse(body) as { error: { code: ErrorCode; message: string } };
    return new SwitchError(error.code, error.message);
  } catch {
    return new SwitchError('SYSTEM', `the API answered ${status}: ${body.slice(0, 200)}`);
  }
}
