/** HTTP and JSON on a UNIX socket: every route of the table, checked by its schemas. */
import { chmodSync } from 'node:fs';
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { parse } from '../config/mistakes.js';
import { SwitchError } from '../errors.js';
import { Metrics } from '../metrics/index.js';
import type { Switch } from '../switch.js';
import { EventStreams } from './events.js';
import { failureOf } from './failure.js';
import { toJson } from './json.js';
import {
  bodyLimitBytes,
  connectionLimit,
  headersTimeoutMs,
  requestsPerSecond,
  requestTimeoutMs,
} from './limits.js';
import { openApi } from './openapi.js';
import { checkToken, type Remote } from './remote.js';
import type { Route } from './route.js';
import { routes as ofSwitch } from './routes.js';
import { cannotServe, claimSocket } from './socket.js';
import { offer, type Protocol } from './upgrades.js';

export interface Api {
  readonly socket: string;
  /** Where it is served over TCP, as `HOST:PORT`; undefined: nowhere. */
  readonly remote: string | undefined;
  close(): Promise<void>;
}

export interface ApiOptions {
  /** Called after each change and awaited before it is answered. */
  saved?: () => Promise<void>;
  /** Operations beyond those of the switch. */
  more?: readonly Route[];
  /** Protocols beside HTTP, on the UNIX socket alone. */
  protocols?: readonly Protocol[];
  remote?: Remote | undefined;
  /** Of one remote address, and of all clients of the socket together. Default 1,000. */
  requestsPerSecond?: number;
}

/** Serves the API of a switch until it is closed. The socket may be used by its owner and group. */
export async function serveApi(sw: Switch, socket: string, options: ApiOptions = {}): Promise<Api> {
  const { remote, protocols = [] } = options;
  await claimSocket(socket);
  const local = await createServer(sw, options);
  const hangUp = offer(local.server, protocols);
  const servers = [local];
  const close = async () => {
    hangUp();
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    await local.listen({ path: socket });
    chmodSync(socket, 0o660);
  } catch (cause) {
    await close();
    throw cannotServe(socket, cause);
  }
  if (!remote) {
    return { socket, remote: undefined, close };
  }
  try {
    const server = await createServer(sw, options, remote);
    servers.push(server);
    const at = await server.listen({ host: remote.host, port: remote.port });
    return { socket, remote: at, close };
  } catch (cause) {
    await close();
    throw cannotServe(`${remote.host}:${remote.port}`, cause);
  }
}

async function createServer(
  sw: Switch,
  {
    saved = async () => undefined,
    more = [],
    requestsPerSecond: max = requestsPerSecond,
  }: ApiOptions,
  remote?: Remote,
): Promise<FastifyInstance> {
  const routes = [...ofSwitch, ...more];
  const options = {
    bodyLimit: bodyLimitBytes,
    forceCloseConnections: true,
    requestTimeout: requestTimeoutMs,
  };
  const server: FastifyInstance = remote
    ? fastify({ ...options, https: { cert: remote.cert, key: remote.key } })
    : fastify(options);
  server.server.maxConnections = connectionLimit;
  server.server.headersTimeout = headersTimeoutMs;
  server.setReplySerializer(toJson);
  server.setErrorHandler((error, _request, reply) => {
    const { status, body } = failureOf(error);
    return reply.status(status).send(body);
  });
  // Before the token is looked at: so many a second can be guessed, and no more.
  await server.register(rateLimit, {
    max,
    timeWindow: 1000,
    addHeaders: noHeaders,
    // Clients of a UNIX socket have no address, and are one.
    keyGenerator: ({ ip }) => ip ?? 'local',
  });
  if (remote) {
    server.addHook('onRequest', async (request) => checkToken(request, remote.token));
  }
  server.setNotFoundHandler((request) => {
    throw new SwitchError('NOT_FOUND', `no ${request.method} ${request.url}`, {
      hint: 'GET /openapi.json tells what there is',
    });
  });
  for (const route of routes) {
    addRoute(server, sw, route, saved);
  }
  addStreams(server, sw, openApi(routes));
  return server;
}

/** Only `retry-after`: the others would have to be made for every answer. */
const noHeaders = {
  'x-ratelimit-limit': false,
  'x-ratelimit-remaining': false,
  'x-ratelimit-reset': false,
};

/** What is not an object of JSON. */
function addStreams(server: FastifyInstance, sw: Switch, document: object): void {
  server.get('/openapi.json', () => document);
  const metrics = new Metrics(sw);
  server.get('/metrics', async (request, reply) => {
    reply.headers({ 'content-type': metrics.contentType, vary: 'accept-encoding' });
    if (takesGzip(request.headers['accept-encoding'])) {
      return reply.header('content-encoding', 'gzip').send(await metrics.text('gzip'));
    }
    return reply.send(await metrics.text());
  });
  const streams = new EventStreams(sw);
  server.get('/events', (request, reply) => streams.serve(request, reply));
}

/** RFC 9110, 12.5.3; without `*`, which nobody sends alone. */
function takesGzip(accepted: string | string[] = ''): boolean {
  return /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(String(accepted));
}

type Saved = () => Promise<void>;

function addRoute(server: FastifyInstance, sw: Switch, route: Route, saved: Saved): void {
  const { method, url } = route;
  server.route({
    method,
    url,
    ...(route.bodyLimit !== undefined && { bodyLimit: route.bodyLimit }),
    async handler(request, reply) {
      reply.status(route.status);
      if (route.contentType) {
        reply.type(route.contentType);
      }
      const result = await route.handle(sw, inputOf(route, request));
      if (method !== 'GET') {
        await saved();
      }
      return route.response ? result : reply.send();
    },
  });
}

function inputOf(route: Route, { params, query, body }: FastifyRequest) {
  const check = <T>(schema: z.ZodType<T> | undefined, value: unknown, where: string[]) =>
    (schema ? parse(schema, value, where) : value) as T;
  return {
    params: check(route.params, params, []),
    query: check(route.query, query, ['query']),
    body: check(route.bodyCheckedBySwitch ? undefined : route.body, body, []),
  };
}
