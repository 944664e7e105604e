/**
 * Serves Docker Engine's plugin protocol: a POST a call, JSON on a UNIX socket. The engine sends an empty Host header, no
 * content type, and no body where there is nothing to say; Node's own server takes all of it.
 */
import { chmodSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { text } from 'node:stream/consumers';

export type Handler = (body: never) => unknown;

export interface PluginServer {
  close(): Promise<void>;
}

/** The way to the socket must be free. Errors go to the engine as words, which it shows to whoever asked. */
export async function servePlugin(
  socket: string,
  handlers: Readonly<Record<string, Handler>>,
): Promise<PluginServer> {
  const server = createServer({ requireHostHeader: false }, (request, response) => {
    void answer(request, handlers).then(([status, body]) => {
      response.writeHead(status, { 'content-type': 'application/vnd.docker.plugins.v1.2+json' });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(socket, resolve);
  });
  chmodSync(socket, 0o600);
  return { close: () => closed(server) };
}

async function answer(
  request: IncomingMessage,
  handlers: Readonly<Record<string, Handler>>,
): Promise<[status: number, body: unknown]> {
  const handler = handlers[request.url ?? ''];
  if (!handler) {
    return [404, { Err: `memswitch knows no ${request.url}` }];
  }
  try {
    const body = await text(request);
    return [200, (await handler(JSON.parse(body || '{}') as never)) ?? {}];
  } catch (error) {
    const { message } = error as Error;
    return [200, { Err: message, Error: message }]; // network drivers have the one, IPAM drivers the other
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
