import type { Command } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, withApi, withExamples } from '../options.js';
import { number } from '../table.js';

export function configure(command: Command): void {
  withExamples(withApi(command.command('macs')), [
    'memswitch flush macs',
    'memswitch flush macs --port web',
  ])
    .description('Removes learned addresses: all, or those of a bridge or a port')
    .option('--bridge <name>')
    .option('--port <name>')
    .action(async ({ api, ...where }: ApiOption) => {
      const answer = await new Client(api).text('POST', '/v1/macs/flush', where);
      const { removed } = JSON.parse(answer) as { removed: number };
      process.stdout.write(`${number(removed)} removed\n`);
    });
}
