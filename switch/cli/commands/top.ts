import { setTimeout as delay } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, withApi } from '../options.js';
import { Screen } from '../screen.js';
import { type Order, orders, type Reading, topLines } from '../top-view.js';

interface Options extends ApiOption {
  interval: number;
}

const help = `
Keys: q quits; n, r, t, d sort by name, rx, tx, drops.

Examples:
  memswitch top
  memswitch top --interval 0.2
`;

export function configure(command: Command): void {
  withApi(command)
    .option('--interval <seconds>', 'between two looks, 0.1 to 60', interval, 1)
    .addHelpText('after', help)
    .action(top);
}

function interval(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0.1 && seconds <= 60)) {
    throw new InvalidArgumentError('It must be a number from 0.1 to 60.');
  }
  return seconds;
}

async function top({ api, interval: seconds }: Options, command: Command): Promise<void> {
  if (!process.stdout.isTTY || !process.stdin.isTTY) {
    command.error('error: top needs a terminal; elsewhere use: memswitch show ports --watch');
  }
  const client = new Client(api);
  let [before, now] = [await read(client), await read(client)];
  let order: Order = 'name';
  const ended = new AbortController();
  const draw = () => screen.draw(topLines(before, now, order));
  const key = (pressed: string) => {
    if (pressed === 'q' || pressed === '\x03') {
      ended.abort();
    }
    order = orders.find((each) => each[0] === pressed) ?? order;
    draw();
  };
  const screen = new Screen(key, () => draw());
  const stop = () => ended.abort();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  try {
    draw();
    while (await paused(seconds, ended.signal)) {
      [before, now] = [now, await read(client)];
      draw();
    }
  } finally {
    screen.close();
  }
}

async function paused(seconds: number, signal: AbortSignal): Promise<boolean> {
  await delay(seconds * 1000, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}

async function read(client: Client): Promise<Reading> {
  const [ports, workers] = await Promise.all([
    client.get<Reading['ports']>('/v1/ports'),
    client.get<Reading['workers']>('/v1/workers'),
  ]);
  return { time: performance.now(), ports, workers };
}
