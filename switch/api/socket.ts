/** The UNIX socket that the daemon serves its API on, and by which the command finds it. */
import { lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, isAbsolute, join } from 'node:path';
import { SwitchError } from '../errors.js';

/** `MEMSWITCH_API`, else the user's own place. */
export function defaultSocket(): string {
  const { MEMSWITCH_API, XDG_RUNTIME_DIR } = process.env;
  if (MEMSWITCH_API) {
    return MEMSWITCH_API;
  }
  if (process.getuid?.() === 0) {
    return '/run/memswitch/api.sock';
  }
  if (XDG_RUNTIME_DIR) {
    return join(XDG_RUNTIME_DIR, 'memswitch', 'api.sock');
  }
  throw new SwitchError(
    'INVALID',
    'no place for the socket of the API: XDG_RUNTIME_DIR is not set',
    {
      hint: 'name one with --api SOCKET or MEMSWITCH_API',
    },
  );
}

/** Makes the way free for a server at the path: a socket that a dead daemon left behind is removed. */
export async function claimSocket(path: string): Promise<void> {
  if (!isAbsolute(path)) {
    throw new SwitchError(
      'INVALID',
      `the socket of the API must be an absolute path, got ${path}`,
      {
        path,
      },
    );
  }
  try {
    mkdirSync(dirname(path), { recursive: true });
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found) {
      return;
    }
    if (!found.isSocket()) {
      throw new SwitchError('IN_USE', `${path} is not a socket`, {
        path,
        hint: 'choose another path',
      });
    }
    if (await answers(path)) {
      throw new SwitchError('IN_USE', `another memswitch serves ${path}`, {
        path,
        hint: 'end it, or name another socket with --api or MEMSWITCH_API',
      });
    }
    unlinkSync(path);
  } catch (cause) {
    throw cause instanceof SwitchError ? cause : cannotServe(path, cause);
  }
}

export function cannotServe(path: string, cause: unknown): SwitchError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const refused = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return new SwitchError(refused ? 'PERMISSION' : 'SYSTEM', `API at ${path}: ${message}`, {
    path,
    cause,
    hint: 'name another socket with --api or MEMSWITCH_API',
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    // A busy or forbidden one is somebody's all the same: only a refused connection means nobody is there.
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED'));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
