import type { Command } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, query, withApi } from '../options.js';

export function configure(command: Command): void {
  for (const what of ['port', 'bridge']) {
    withApi(command.command(what))
      .description(`Removes a ${what}`)
      .argument('<name>')
      .action(async (name: string, { api }: ApiOption) => {
        await new Client(api).text('DELETE', `/v1/${what}s/${encodeURIComponent(name)}`);
      });
  }
  withApi(command.command('mac'))
    .description('Removes an address, static or learned')
    .argument('<mac>')
    .requiredOption('--bridge <name>')
    .action(async (mac: string, { api, bridge }: ApiOption & { bridge: string }) => {
      await new Client(api).text('DELETE', `/v1/macs${query({ bridge, mac })}`);
    });
}
