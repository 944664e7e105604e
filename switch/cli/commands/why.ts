import type { Command } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, withApi } from '../options.js';
import { number, strong } from '../table.js';

interface Options extends ApiOption {
  frame?: string;
  port?: string;
  json?: boolean;
}

interface Answer {
  outcome: string;
  to: string[];
  steps: { says: string; counter: { port: string; name: string; frames: number } | null }[];
}

const examples = `
Examples:
  memswitch why 02:00:00:00:00:01                 a frame to that address, from elsewhere in its bridge
  memswitch why 02:00:00:00:00:01 --port web      a frame to that address that comes in from web
  memswitch why --port web --frame 0200000000020200000000010800450000
`;

export function configure(command: Command): void {
  withApi(command)
    .argument('[mac]', 'destination')
    .option('--frame <hex>', 'a frame as it is, from its destination on')
    .option('--port <name>', 'port that it comes in from')
    .option('--json', "the API's object as it is")
    .addHelpText('after', examples)
    .action(why);
}

async function why(mac: string | undefined, options: Options, command: Command): Promise<void> {
  const { frame, port, json, api } = options;
  if ((mac === undefined) === (frame === undefined) || (frame !== undefined && !port)) {
    command.error('error: why takes an address, or --frame HEX with --port NAME');
  }
  const text = await new Client(api).text('POST', '/v1/why', { mac, frame, port });
  const shown = json ? text : (JSON.parse(text) as Answer[]).map(show).join('\n\n');
  process.stdout.write(`${shown}\n`);
}

function show({ outcome, to, steps }: Answer): string {
  const told = steps.map(({ says, counter }) => {
    const counted = counter && `   [${counter.port} ${counter.name} ${number(counter.frames)}]`;
    return `  ${says}${counted ?? ''}`;
  });
  const where = to.length > 0 ? ` to ${to.join(', ')}` : '';
  return [strong(`${outcome}${where}`), ...told].join('\n');
}
