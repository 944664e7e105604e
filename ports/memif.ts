/**
 * Ports of kind `memif`: shared memory with a container or another process, by the memif 2.0 protocol.
 * The native half is native/ports/memif.
 */
import { z } from 'zod';
import { native } from '../switch/native.js';
import { group, user } from './accounts.js';
import { flag, integer, netns, oneOf, powerOfTwo, station, text } from './checks.js';
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
  /**
   * Network namespace of an abstract socket: a name as of `ip netns`, the path of a namespace, or a process id in it.
   * Default: the switch's own.
   */
  netns?: string | number | undefined;
  /** Permission bits of the socket file, as octal text. A server's. Default '0660'. */
  socketMode?: string | undefined;
  /** User and group of the socket file, by number or name. A server's. Default: the switch's own. */
  socketOwner?: number | string | undefined;
  socketGroup?: number | string | undefined;
  /**
   * Users and groups whose processes may attach, by number or name, as the kernel tells them. A server's.
   * Default: whoever can open the socket.
   */
  allow?:
    | { uid?: (number | string)[] | undefined; gid?: (number | string)[] | undefined }
    | undefined;
  /**
   * Takes memory that its owner could still cut short (a file without F_SEAL_SHRINK). A server's. Default false.
   */
  trusted?: boolean | undefined;
  /** Takes memory of huge pages (hugetlbfs), which can be cut short too. A server's. Default true: DPDK's zero-copy. */
  hugePages?: boolean | undefined;
  /**
   * Bytes of a cache line that rings are laid out by. A server's default is what the peer's rings show; a client's 64.
   * 128: peers built for it, as on some arm64.
   */
  cacheLine?: 64 | 128 | undefined;
  /**
   * What the peer's buffers hold: `ethernet`, frames; `ip`, IP packets without an Ethernet header, in frames that the
   * switch makes from `mac` to `gateway`. Nobody answers ARP or Neighbour Discovery for such a port: give its address to
   * its neighbours. Default `ethernet`.
   */
  mode?: 'ethernet' | 'ip' | undefined;
  /** Of mode `ip`: the port's own address on the bridge, and the address of who takes all packets of its peer. */
  mac?: string | undefined;
  gateway?: string | undefined;
}

const socketError = `must be an absolute path or @name, at most ${limits.socketPath} bytes`;

const modeError = 'must be permission bits as octal text, for example "0660"';

const fields = z.strictObject({
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
  netns: netns.optional().describe('Network namespace of an abstract socket'),
  socketMode: z
    .string({ error: modeError })
    .regex(/^0?[0-7]{3}$/, { error: modeError })
    .default('0660')
    .describe('Permission bits of the socket file'),
  socketOwner: user.optional().describe('User of the socket file'),
  socketGroup: group.optional().describe('Group of the socket file'),
  allow: z
    .strictObject({ uid: z.array(user).default([]), gid: z.array(group).default([]) })
    .default({ uid: [], gid: [] })
    .describe('Users and groups that may attach; both empty = whoever can open the socket'),
  trusted: flag().default(false).describe('Takes memory that its owner could cut short'),
  hugePages: flag().default(true).describe('Takes memory of huge pages'),
  cacheLine: z
    .literal([64, 128], { error: 'must be 64 or 128' })
    .optional()
    .describe('Bytes of a cache line that rings are laid out by'),
  mode: oneOf(['ethernet', 'ip']).default('ethernet').describe('What the buffers hold'),
  mac: station.optional().describe("Of mode ip: the port's address on the bridge"),
  gateway: station.optional().describe('Of mode ip: the address that all packets go to'),
});

type Fields = z.output<typeof fields>;

const schema = fields
  .refine(({ netns, socket }) => netns === undefined || socket[0] === '@', {
    path: ['netns'],
    error:
      'must not be given with a path: only abstract sockets (@name) live in a network namespace',
  })
  .superRefine((options, context) => {
    for (const key of ['mac', 'gateway'] as const) {
      const message = stationMistake(options, key);
      if (message) {
        context.addIssue({ code: 'custom', path: [key], message, input: options[key] });
      }
    }
  });

function stationMistake(options: Fields, key: 'mac' | 'gateway'): string | undefined {
  const given = options[key] !== undefined;
  if (options.mode === 'ip') {
    return given ? undefined : 'must be given with mode ip';
  }
  return given ? 'must not be given without mode ip' : undefined;
}

/** An address as native code takes it. */
function number(mac: string): bigint {
  return BigInt(`0x${mac.replaceAll(':', '')}`);
}

function isSocketName(socket: string): boolean {
  const fits = Buffer.byteLength(socket) <= limits.socketPath && !socket.includes('\0');
  return fits && (/^@./.test(socket) || (socket.startsWith('/') && !socket.endsWith('/')));
}

export const memif = {
  name: 'memif' as const,
  schema: schema satisfies z.ZodType<unknown, MemifOptions>,
  toNative({ kind, macLimit, mtu, polling, bridge: _, ...options }, bridge) {
    const {
      netns,
      socketMode,
      socketOwner,
      socketGroup,
      allow,
      cacheLine,
      mode: __,
      mac,
      gateway,
      ...same
    } = options;
    return {
      kind,
      bridge,
      macLimit,
      mtu,
      polling: polling ?? '',
      memif: {
        ...same,
        cacheLine: cacheLine ?? 0,
        ip: mac && gateway ? { mac: number(mac), gateway: number(gateway) } : null,
        netns: netns ?? '',
        socketMode: Number.parseInt(socketMode, 8),
        socketOwner: socketOwner ?? -1,
        socketGroup: socketGroup ?? -1,
        allowUsers: allow.uid,
        allowGroups: allow.gid,
      },
    };
  },
  identity({ socket, netns, id, role }) {
    const place = netns === undefined ? socket : `${socket} in ${netns}`;
    return `socket ${place} with id ${id} as ${role}`;
  },
  show({ socket, id, role, mode, secret, queues, ringSize, bufferSize }) {
    return { socket, id, role, mode, secret: secret !== '', queues, ringSize, bufferSize };
  },
} satisfies PortKind<z.output<typeof schema>>;
