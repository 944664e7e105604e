/** A process with a switch in the middle of traffic, which ends as its argument says. See lifecycle.test.ts. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Switch } from 'memswitch';

const [ending, folder] = process.argv.slice(2);
const socket = (name) => join(folder, `${name}.sock`);

async function startSwitch() {
  const port = (name) => ({ kind: 'memif', bridge: 'blue', socket: socket(name) });
  return Switch.start({ polling: 'busy', ports: { left: port('left'), right: port('right') } });
}

function startLoad(name, mac, peer) {
  const values = { socket: socket(name), id: 0, mac, peer, window: 256, size: 64, name };
  const args = Object.entries(values).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const path = fileURLToPath(new URL('../../build/Release/load', import.meta.url));
  // The clients end with this process: their standard input closes.
  const child = spawn(path, args, { stdio: ['pipe', 'ignore', 'inherit'] });
  child.unref();
  child.stdin.unref();
  return child;
}

async function traffic(sw) {
  const loads = [
    startLoad('left', '02:00:00:00:00:01', '02:00:00:00:00:02'),
    startLoad('right', '02:00:00:00:00:02', '02:00:00:00:00:01'),
  ];
  while (sw.ports().some(({ link }) => link === 'down')) {
    await delay(10);
  }
  for (const { stdin } of loads) {
    stdin.write('\n');
  }
  while (sw.status().tx.frames < 100_000n) {
    await delay(10);
  }
}

const endings = {
  exit: () => process.exit(0),
  throw: () => {
    setImmediate(() => {
      throw new Error('on purpose');
    });
  },
  wait: () => undefined,
  close: async (sw) => {
    const closing = sw.close();
    if (sw.close() !== closing) {
      throw new Error('two promises of one closing');
    }
    await closing;
    await sw.close();
  },
  dispose: async (sw) => {
    await sw[Symbol.asyncDispose]();
  },
};

let sw = await startSwitch();
await traffic(sw);
process.stdout.write('ready\n');
if (ending === 'collect') {
  sw = undefined;
  for (let i = 0; i < 5; i++) {
    globalThis.gc();
    await delay(50);
  }
  process.exit(0);
}
await endings[ending](sw);
