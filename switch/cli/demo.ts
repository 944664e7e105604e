/**
 * `npm start`: a switch with two ports and a load client at each, as containers would be. Each client keeps a window of
 * its own frames going round, so no ring can overflow: at the end every frame must have arrived.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SwitchError } from '../errors.js';
import type { Sample } from '../statistics.js';
import { Switch } from '../switch.js';
import { LiveRates } from './live-rates.js';
import { Load } from './load.js';
import { balance } from './proof.js';

export interface DemoOptions {
  /** Bytes of a frame, without checksum. */
  size: number;
  /** Frames that each client keeps going round. */
  window: number;
  /** How long it runs; undefined: until Ctrl-C. */
  seconds?: number;
}

const macs = { left: '02:00:00:00:00:01', right: '02:00:00:00:00:02' };

/** Returns whether everything balanced. */
export async function runDemo(options: DemoOptions): Promise<boolean> {
  const stopped = stopRequest(options.seconds);
  const folder = mkdtempSync(join(tmpdir(), 'memswitch-'));
  const socket = (name: string) => join(folder, `${name}.sock`);
  const loads: Load[] = [];
  try {
    const port = (name: string) =>
      ({ kind: 'memif', bridge: 'demo', socket: socket(name) }) as const;
    await using sw = await Switch.start({ ports: { left: port('left'), right: port('right') } });
    const { left, right } = macs;
    const { size, window } = options;
    loads.push(
      new Load({ name: 'left', socket: socket('left'), mac: left, peer: right, window, size }),
      new Load({ name: 'right', socket: socket('right'), mac: right, peer: left, window, size }),
    );
    process.stdout.write(intro(options, folder));
    const early = Promise.race(loads.map(endedEarly));
    early.catch(() => undefined);
    await Promise.race([stopped, early, Promise.all(loads.map((load) => load.attached))]);
    for (const load of loads) {
      load.begin();
    }
    await showUntil(Promise.race([stopped, early]), sw.sample());
    const reports = await Promise.all(loads.map((load) => load.finish()));
    const { text, balanced } = balance(sw, loads, reports);
    process.stdout.write(`\n${text}\n`);
    return balanced;
  } finally {
    for (const load of loads) {
      load.kill();
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

async function showUntil(
  ended: Promise<unknown>,
  samples: AsyncGenerator<Sample, void>,
): Promise<void> {
  const rates = new LiveRates();
  for (;;) {
    const next = await Promise.race([ended, samples.next()]);
    if (!isSample(next)) {
      return;
    }
    rates.show(next.value);
  }
}

async function endedEarly(load: Load): Promise<never> {
  await load.ended;
  throw new SwitchError('SYSTEM', `the load client "${load.name}" ended by itself`, {
    hint: 'what it said is above',
  });
}

function isSample(next: unknown): next is { value: Sample } {
  return typeof next === 'object' && next !== null && 'value' in next && next.value !== undefined;
}

function stopRequest(seconds: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
    if (seconds !== undefined) {
      setTimeout(resolve, seconds * 1000).unref();
    }
  });
}

function intro({ size, window, seconds }: DemoOptions, folder: string): string {
  const end = seconds === undefined ? 'Ctrl-C ends it' : `for ${seconds} s`;
  return (
    `memswitch: two load clients, each with ${window} frames of ${size} bytes going round; ${end}\n` +
    `           sockets in ${folder}\n\n`
  );
}
