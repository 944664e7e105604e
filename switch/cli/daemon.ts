/** The daemon: a switch, its API, and a clean end. */
import { serveApi } from '../api/server.js';
import { claimSocket, defaultSocket } from '../api/socket.js';
import { readConfiguration } from '../config/parse.js';
import type { SwitchError } from '../errors.js';
import type { SwitchEvent } from '../events.js';
import { Switch } from '../switch.js';

export interface DaemonOptions {
  config?: string;
  api?: string;
}

/** Runs until SIGINT or SIGTERM; throws when a worker fails. */
export async function runDaemon({ config, api = defaultSocket() }: DaemonOptions): Promise<void> {
  const stopped = stopSignal();
  const configuration = config === undefined ? {} : readConfiguration(config);
  // Before any port is opened: a second daemon must not disturb the first.
  await claimSocket(api);
  await using sw = await Switch.start(configuration);
  const server = await serveApi(sw, api);
  const { ports, workers } = sw.status();
  process.stdout.write(`memswitch ready ports=${ports} workers=${workers} api=${api}\n`);
  try {
    await Promise.race([stopped, workerFailure(sw.events())]);
  } finally {
    await server.close();
  }
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

/** Rejects when a worker fails; resolves when the switch is closed. */
async function workerFailure(events: AsyncIterable<SwitchEvent>): Promise<void> {
  for await (const event of events) {
    if (event.type === 'worker-failed') {
      throw event.error satisfies SwitchError;
    }
  }
}
