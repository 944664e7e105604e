/** HTTP and JSON on a UNIX socket: every route of the table, checked by its schemas. */
import { chmodSync } from 'node:fs';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { parse } from '../config/mistakes.js';
import { SwitchError } from '../errors.js';
import { Metrics } from '../metrics/index.js';
import type { Switch } from '../switch.js';
import { failureOf } from './failure.js';
import { toJson } from './json.js';
import { openApi } from './openapi.js';
import type { Route } from './route.js';
import { routes as ofSwitch } from './routes.js';
import { cannotServe, claimSocket } from './socket.js';

const bodyLimitBytes = 1024 * 1024;

export interface Api {
  readonly socket: string;
  close(): Promise<void>;
}

/** Called after each change and awaited before it is answered. */
export type Saved = () => Promise<void>;

/**
 * Serves the API of a switch until it is closed. The socket may be used by its owner and group.
 * @param more operations beyond those of the switch.
 */
export async function serveApi(
  sw: Switch,
  socket: string,
  saved: Saved = async () => undefined,
  more: readonly Route[] = [],
): Promise<Api> {
  await claimSocket(socket);
  const server = createServer(sw, [...ofSwitch, ...more], saved);
  try {
    await server.listen({ path: socket });
    chmodSync(socket, 0o660);
  } catch (cause) {
    await server.close();
    throw cannotServe(socket, cause);
  }
  return { socket, close: () => server.close() };
}

function createServer(sw: Switch, routes: readonly Route[], saved: Saved): FastifyInstance {
  const server = fastify({ bodyLimit: bodyLimitBytes, forceCloseConnections: true });
  server.setReplySerializer(toJson);
  server.setErrorHandler((error, _request, reply) => {
    const { status, body } = failureOf(error);
    return reply.status(status).send(body);
  });
  server.setNotFoundHandler((request) => {
    throw new SwitchError('NOT_FOUND', `no ${request.method} ${request.url}`, {
      hint: 'GET /openapi.json tells what there is',
    });
  });
  for (const route of routes) {
    addRoute(server, sw, route, saved);
  }
  const document = openApi(routes);
  server.get('/openapi.json', () => document);
  const metrics = new Metrics(sw);
  server.get('/metrics', async (_request, reply) => {
    const pieces = await metrics.pieces();
    reply.hijack();
    reply.raw.writeHead(200, {
      'content-type': metrics.contentType,
      'content-length': pieces.reduce((length, piece) => length + piece.length, 0),
    });
    reply.raw.cork();
    for (const piece of pieces) {
      reply.raw.write(piece);
    }
    reply.raw.end();
  });
  return server;
}

function addRoute(server: FastifyInstance, sw: Switch, route: Route, saved: Saved): void {
  const { method, url } = route;
  server.route({
    method,
    url,
    ...(route.bodyLimit !== undefined && { bodyLimit: route.bodyLimit }),
    async handler(request, reply) {
      reply.status(route.status);
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
