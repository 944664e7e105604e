/**
 * The file by which a pod learns of its device (Device Information Specification 1.1.0 of the Network Plumbing Working Group).
 * Its roles are the container's: `master` creates the socket.
 */
import type { AttachmentStatus } from '../attachment.js';
import { asked, type Call } from './call.js';
import type { Caller } from './caller.js';

export async function writeDeviceInfo(
  call: Call,
  made: AttachmentStatus,
  caller: Caller,
): Promise<void> {
  const path = fileOf(call);
  const device = deviceOf(made);
  if (path !== undefined && device !== undefined) {
    await caller.write(path, JSON.stringify({ version: '1.1.0', ...device }));
  }
}

export async function removeDeviceInfo(call: Call, caller: Caller): Promise<void> {
  const path = fileOf(call);
  if (path !== undefined) {
    await caller.remove(path);
  }
}

function deviceOf({ kind, role, socket, device }: AttachmentStatus): object | undefined {
  switch (kind) {
    case 'memif':
      return {
        type: 'memif',
        memif: { role: role === 'client' ? 'master' : 'slave', path: socket, mode: 'ethernet' },
      };
    case 'vf':
      return { type: 'pci', pci: { 'pci-address': device } };
    case 'kernel':
      return undefined;
  }
}

function fileOf(call: Call): string | undefined {
  const path = asked(call, 'CNIDeviceInfoFile');
  return typeof path === 'string' && path.startsWith('/') ? path : undefined;
}
