/**
 * The file that lies beside a container's socket and says how to attach to it: lines `MEMIF_…=value`, which a shell and
 * `docker run --env-file` read too. Written by whoever made the port, for a peer in the container.
 */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { SwitchError } from '../errors.js';

export interface AttachFile {
  socket?: string | undefined;
  id?: number | undefined;
  secret?: string | undefined;
  /** The name that the container knows the interface by. */
  interface?: string | undefined;
  mac?: string | undefined;
  mtu?: number | undefined;
  /** With prefix lengths, as `192.0.2.1/24`. */
  addresses?: string[] | undefined;
  /** As `0.0.0.0/0 192.0.2.254`; without a second word directly on the link. */
  routes?: string[] | undefined;
}

const names = {
  MEMIF_SOCKET: 'socket',
  MEMIF_ID: 'id',
  MEMIF_SECRET: 'secret',
  MEMIF_INTERFACE: 'interface',
  MEMIF_MAC: 'mac',
  MEMIF_MTU: 'mtu',
  MEMIF_IP: 'addresses',
  MEMIF_ROUTES: 'routes',
} as const;

/** A socket without a folder lies beside the file: the folder has another path in the container than on the host. */
export function readAttachFile(path: string): AttachFile {
  const lines = readFileSync(path, 'utf8').split('\n');
  const values = new Map(
    lines
      .map((line) => /^(MEMIF_[A-Z]+)=(.*)$/.exec(line))
      .map((m) => [m?.[1] ?? '', m?.[2] ?? '']),
  );
  const given = (name: keyof typeof names) => values.get(name) || undefined;
  const number = (name: keyof typeof names) => {
    const text = given(name);
    if (text !== undefined && !/^\d+$/.test(text)) {
      throw new SwitchError('INVALID', `${path}: ${name} must be a number, got "${text}"`);
    }
    return text === undefined ? undefined : Number(text);
  };
  const socket = given('MEMIF_SOCKET');
  if (socket === undefined) {
    throw new SwitchError('INVALID', `${path}: has no line MEMIF_SOCKET=…`);
  }
  const beside = !socket.startsWith('@') && !isAbsolute(socket);
  return {
    socket: beside ? join(dirname(path), socket) : socket,
    id: number('MEMIF_ID'),
    secret: given('MEMIF_SECRET'),
    interface: given('MEMIF_INTERFACE'),
    mac: given('MEMIF_MAC'),
    mtu: number('MEMIF_MTU'),
    addresses: given('MEMIF_IP')?.split(','),
    routes: given('MEMIF_ROUTES')?.split(','),
  };
}

export function attachFileText(file: AttachFile): string {
  const lines = Object.entries(names).map(([name, key]) => {
    const value = file[key];
    return value === undefined ? '' : `${name}=${Array.isArray(value) ? value.join(',') : value}\n`;
  });
  return lines.join('');
}
