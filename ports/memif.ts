/**
 * Ports of kind `memif`: shared memory with a container or another process, by the memif 2.0 protocol.
 * The native half is native/ports/memif.
 */
import { z } from 'zod';
import { native } from '../switch/native.js';
import { integer, powerOfTwo, text } from './checks.js';
import { type CommonOptions, commonFields, type PortKind } from './kind.js';

const { limits } = native;

const roles = ['server', 'client'] as const;
const roleError = 'must be server or client';

/** A port in shared memory with one peer. */
export interface MemifOptions extends CommonOptions {
  kind: 'memif';
  /** UNIX socket where the two meet: an absolute path, or `@name` for an abstract one; at most 107 bytes. */
  socket: string;
  /** Interface id on that socket, 0 to 4294967295; several ports share a socket by different ids. Default 0. */
  id?: number | undefined;
  /**
   * `server`: peers attach to the switch (the protocol's master). `client`: the switch attaches to somebody's socket (the
   * slave), and comes back by itself after 100 ms to 3 s, at once when the socket appears. Default `server`.
   */
  role?: (typeof roles)[number] | undefined;
  /** What a peer must present, or a client presents; at most 23 bytes. Default '': nothing. */
  secret?: string | undefined;
  /** Most queue pairs that a peer may ask for, or that a client asks for. Default 1. */
  queues?: number | undefined;
  /** Largest ring accepted, or made by a client, in descriptors: a power of two from 2 to 16384. Default 1024. */
  ringSize?: number | undefined;
  /** Bytes of each buffer that a client makes, 64 to 65535; a server takes its peer's. Default 2048. */
  bufferSize?: number | undefined;
}

const socketError = `must be an absolute path or @name, at most ${limits.socketPath} bytes`;

const schema = z.strictObject({
  kind: z.literal('memif'),
  ...commonFields,
  socket: z
    .string({ error: socketError })
    .refine(isSocketName, { error: socketError })
    .describe('UNIX socket: an absolute path, or @name for an abstract one'),
  id: integer(0, 2 ** 32 - 1)
    .default(0)
    .describe('Interface id on the socket'),
  role: z
    .enum(roles, { error: roleError })
    .default('server')
    .describe('Who serves the socket: this side'),
  secret: text(limits.secret).default('').describe('What the peer must present; empty = nothing'),
  queues: integer(1, limits.queues).default(1).describe('Most queue pairs'),
  ringSize: powerOfTwo(2, limits.ringSize).default(1024).describe('Largest ring, in descriptors'),
  bufferSize: integer(64, 65_535).default(2048).describe('Bytes of each buffer a client makes'),
});

function isSocketName(socket: string): boolean {
  const fits = Buffer.byteLength(socket) <= limits.socketPath && !socket.includes('\0');
  return fits && (/^@./.test(socket) || (socket.startsWith('/') && !socket.endsWith('/')));
}

export const memif = {
  name: 'memif' as const,
  schema: schema satisfies z.ZodType<unknown, MemifOptions>,
  toNative({ kind, macLimit, bridge: _, ...options }, bridge) {
    return { kind, bridge, macLimit, memif: options };
  },
  identity({ socket, id, role }) {
    return `socket ${socket} with id ${id} as ${role}`;
  },
  show({ socket, id, role, secret, queues, ringSize, bufferSize }) {
    return { socket, id, role, secret: secret !== '', queues, ringSize, bufferSize };
  },
} satisfies PortKind<z.output<typeof schema>>;
