/** Protocols beside HTTP on the API's socket: a request asks to leave HTTP for one of them (RFC 9110, 7.8). */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';

export interface Protocol {
  /** As the header `Upgrade` has it. */
  name: string;
  url: string;
  /** Has the connection for itself, and ends it. */
  serve(socket: Duplex): void;
}

/** Returns what ends all connections that have left HTTP: the server knows nothing of them any more. */
export function offer(server: Server, protocols: readonly Protocol[]): () => void {
  const open = new Set<Duplex>();
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined); // whoever reads or writes is told, too
    const protocol = protocols.find(
      ({ name, url }) => request.headers.upgrade === name && request.url === url,
    );
    if (!protocol) {
      socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.unshift(head);
    const { name } = protocol;
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${name}\r\n\r\n`,
    );
    protocol.serve(socket);
  });
  return () => {
    for (const socket of open) {
      socket.destroy();
    }
  };
}
