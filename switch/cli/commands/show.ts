import { setTimeout as delay } from 'node:timers/promises';
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, query, wholeNumber, withApi, withExamples } from '../options.js';
import { otherNames, type View, views } from '../views.js';

const watchMs = 1000;
const clearScreen = '\x1b[H\x1b[2J';

interface Options extends ApiOption {
  json?: boolean;
  watch?: boolean;
  bridge?: string;
  port?: string;
  mac?: string;
  kind?: string;
  limit?: number;
}

export function configure(command: Command): void {
  withExamples(withApi(command), [
    'memswitch show ports',
    'memswitch show ports web --json',
    'memswitch show macs --bridge blue --kind learned',
    'memswitch show drops --watch',
  ])
    .addArgument(
      new Argument('<what>', 'what to show').choices(Object.keys(views)).argParser(known),
    )
    .argument('[name]', 'one port, one bridge, one tunnel')
    .option('-j, --json', "the API's object as it is")
    .option('--watch', 'again every second')
    .option('--bridge <name>', 'macs: of this bridge')
    .option('--port <name>', 'macs: behind this port')
    .option('--mac <address>', 'macs: this one')
    .option('--kind <kind>', 'macs: learned or static')
    .option('--limit <count>', 'macs: most entries shown', wholeNumber)
    .action(show);
}

function known(given: string): string {
  const what = otherNames[given] ?? given;
  if (!(what in views)) {
    throw new InvalidArgumentError(`Allowed choices are ${Object.keys(views).join(', ')}.`);
  }
  return what;
}

async function show(what: string, name: string | undefined, options: Options, command: Command) {
  const view = views[what] as View;
  if (name !== undefined && !view.named) {
    command.error(`error: show ${what} takes no name`);
  }
  const { bridge, port, mac, kind, limit } = options;
  const path =
    view.path +
    (name === undefined ? '' : `/${encodeURIComponent(name)}`) +
    query({ bridge, port, mac, kind, limit });
  const client = new Client(options.api);
  do {
    const text = await client.text('GET', path);
    const shown = options.json ? text : view.show(JSON.parse(text) as never, name === undefined);
    process.stdout.write(`${options.watch && process.stdout.isTTY ? clearScreen : ''}${shown}\n`);
  } while (options.watch && (await delay(watchMs, true)));
}
