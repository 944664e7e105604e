/** Speaks to the switch's daemon. */
import { request } from 'node:http';
import type { AttachmentRequest, AttachmentStatus } from '../attachment.js';
import type { NetConf } from './call.js';
import { CniFailure, codes } from './failure.js';

const usualSocket = '/run/memswitch/api.sock';
const timeoutMs = 60_000;

export class Daemon {
  readonly #socket: string;

  constructor(conf: NetConf) {
    const { api } = conf;
    this.#socket = typeof api === 'string' ? api : (process.env.MEMSWITCH_API ?? usualSocket);
  }

  async put(id: string, wanted: AttachmentRequest): Promise<AttachmentStatus> {
    return (await this.#ask('PUT', `/v1/attachments/${id}`, wanted)) as AttachmentStatus;
  }

  /** Undefined: there is none. */
  async find(id: string): Promise<AttachmentStatus | undefined> {
    const found = await this.#ask('GET', `/v1/attachments/${id}`, undefined, [404]);
    return found as AttachmentStatus | undefined;
  }

  async all(network: string): Promise<AttachmentStatus[]> {
    const query = encodeURIComponent(network);
    return (await this.#ask('GET', `/v1/attachments?network=${query}`)) as AttachmentStatus[];
  }

  /** Takes the interface away; its record stays. */
  async detach(id: string): Promise<void> {
    await this.#ask('POST', `/v1/attachments/${id}/detach`);
  }

  async remove(id: string): Promise<void> {
    await this.#ask('DELETE', `/v1/attachments/${id}`);
  }

  async health(): Promise<void> {
    await this.#ask('GET', '/healthz');
  }

  async #ask(method: string, path: string, body?: object, absent: number[] = []): Promise<unknown> {
    const { status, text } = await this.#send(method, path, body);
    if (status < 400) {
      return text === '' ? undefined : JSON.parse(text);
    }
    if (absent.includes(status)) {
      return undefined;
    }
    throw refusal(status, text);
  }

  #send(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
    const headers = body && { 'content-type': 'application/json' };
    const options = { socketPath: this.#socket, method, path, headers, agent: false as const };
    return new Promise((resolve, reject) => {
      const sent = request({ ...options, timeout: timeoutMs }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
        response.on('error', (error) => reject(this.#unreachable(error)));
      });
      sent.on('timeout', () => sent.destroy(new Error(`no answer in ${timeoutMs / 1000} s`)));
      sent.on('error', (error) => reject(this.#unreachable(error)));
      sent.end(body && JSON.stringify(body));
    });
  }

  #unreachable({ message }: Error): CniFailure {
    return new CniFailure(
      codes.tryLater,
      `no memswitch answers at ${this.#socket}: ${message}`,
      'start one with: memswitch run; its socket may be named by "api" in the configuration',
    );
  }
}

function refusal(status: number, text: string): CniFailure {
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    const code =
      error.code === 'INVALID'
        ? codes.config
        : error.code === 'CLOSED'
          ? codes.tryLater
          : codes.refused;
    return new CniFailure(code, error.message);
  } catch {
    return new CniFailure(codes.refused, `the switch answered ${status}`, text.slice(0, 200));
  }
}
