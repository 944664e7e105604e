/**
 * The API over TCP, for managers elsewhere: off unless asked for, and only with TLS and a token, since whoever may call it may do
 * everything.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { FastifyRequest } from 'fastify';
import { SwitchError } from '../errors.js';

export interface RemoteOptions {
  /** `HOST:PORT`, or `[IPv6]:PORT`. */
  listen?: string;
  /** Files: the certificate with its chain and its key, as PEM; the token. */
  tlsCert?: string;
  tlsKey?: string;
  tokenFile?: string;
}

export interface Remote {
  host: string;
  port: number;
  cert: string;
  key: string;
  token: string;
}

const shortestToken = 16;

/** Undefined when no TCP is wanted. Reads the files now, before anything is started. */
export function remoteOf(options: RemoteOptions): Remote | undefined {
  const { listen, tlsCert, tlsKey, tokenFile } = options;
  if (listen === undefined) {
    return undefined;
  }
  const place = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(listen);
  const port = Number(place?.[3]);
  if (!place || port > 65_535) {
    throw new SwitchError('INVALID', `--listen must be HOST:PORT, got ${listen}`);
  }
  if (tlsCert === undefined || tlsKey === undefined || tokenFile === undefined) {
    throw new SwitchError('INVALID', 'the API is not served over TCP without TLS and a token', {
      hint: 'give --tls-cert FILE, --tls-key FILE and --token-file FILE too',
    });
  }
  const token = read('--token-file', tokenFile).trim();
  if (token.length < shortestToken) {
    throw new SwitchError(
      'INVALID',
      `${tokenFile}: the token has less than ${shortestToken} characters`,
      {
        path: tokenFile,
        hint: 'make one with: openssl rand -hex 32',
      },
    );
  }
  const [cert, key] = [read('--tls-cert', tlsCert), read('--tls-key', tlsKey)];
  return { host: place[1] ?? place[2] ?? '', port, cert, key, token };
}

/** Throws unless the request has `Authorization: Bearer TOKEN`. */
export function checkToken(request: FastifyRequest, token: string): void {
  const given = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
  // Digests are of one length, and comparing them takes the same time wherever they differ.
  if (!timingSafeEqual(digest(given), digest(token))) {
    throw new SwitchError('DENIED', 'the token is missing or wrong', {
      hint: 'send it as: Authorization: Bearer TOKEN',
    });
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function read(option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SwitchError('INVALID', `${option} ${path}: ${(cause as Error).message}`, {
      path,
      cause,
    });
  }
}
