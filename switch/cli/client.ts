/** Speaks to the daemon's API, at a UNIX socket or over HTTPS. */
import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { text as readText } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { defaultSocket } from '../api/socket.js';
import { type ErrorCode, SwitchError } from '../errors.js';

const timeoutMs = 30_000;
/** How often a busy API is asked again, and how long after. */
const tries = 20;
const pauseMs = 250;
const busy = 429;

export interface Reply {
  status: number;
  body: string;
}

export class Client {
  readonly #place: string;
  readonly #options: RequestOptions;

  /**
   * @param place path of a socket, or `https://HOST:PORT`, for which the environment has MEMSWITCH_TOKEN_FILE and, where the
   *   certificate is nobody's whom Node trusts, NODE_EXTRA_CA_CERTS.
   */
  constructor(place: string | undefined) {
    this.#place = place ?? defaultSocket();
    this.#options = optionsFor(this.#place);
  }

  /** The text of a successful answer, as it came. */
  async text(method: string, path: string, body?: object): Promise<string> {
    let reply = await this.#send(method, path, body);
    for (let again = 1; reply.status === busy && again < tries; again++) {
      await delay(pauseMs);
      reply = await this.#send(method, path, body);
    }
    if (reply.status >= 400) {
      throw refusal(reply);
    }
    return reply.body;
  }

  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.text('GET', path)) as T;
  }

  /** A successful answer while it comes, without an end. */
  async stream(path: string): Promise<IncomingMessage> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = this.#options.socketPath === undefined ? httpsRequest : httpRequest;
      const sent = request({ ...this.#options, method: 'GET', path }, resolve);
      sent.on('error', (cause) => reject(this.#unreachable(cause)));
      sent.end();
    });
    const { statusCode: status = 0 } = response;
    if (status >= 400) {
      throw refusal({ status, body: await readText(response) });
    }
    return response;
  }

  #send(method: string, path: string, body?: object): Promise<Reply> {
    const headers = {
      ...this.#options.headers,
      ...(body && { 'content-type': 'application/json' }),
    };
    const request = this.#options.socketPath === undefined ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const options = { ...this.#options, method, path, headers, timeout: timeoutMs };
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
    return new SwitchError('UNREACHABLE', `no memswitch answers at ${this.#place}${why}`, {
      path: this.#place,
      hint: 'start one with: memswitch run --config FILE, or name its socket with --api',
      cause,
    });
  }
}

function optionsFor(place: string): RequestOptions {
  if (!place.startsWith('https://')) {
    return { socketPath: place };
  }
  const { hostname, port } = new URL(place);
  const { MEMSWITCH_TOKEN_FILE: file } = process.env;
  if (!file) {
    throw new SwitchError('INVALID', `${place} wants a token`, {
      hint: 'name the file that holds it with MEMSWITCH_TOKEN_FILE',
    });
  }
  const authorization = `Bearer ${readFileSync(file, 'utf8').trim()}`;
  return { hostname: hostname.replaceAll(/[[\]]/g, ''), port, headers: { authorization } };
}

function refusal({ status, body }: Reply): SwitchError {
  try {
    const { error } = JSON.parse(body) as { error: { code: ErrorCode; message: string } };
    return new SwitchError(error.code, error.message);
  } catch {
    return new SwitchError('SYSTEM', `the API answered ${status}: ${body.slice(0, 200)}`);
  }
}
