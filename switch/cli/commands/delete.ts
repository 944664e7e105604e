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
  withApi(command.command('remote'))
    .description('Removes a remote of a live tunnel')
    .argument('<address>')
    .requiredOption('--port <name>', 'the tunnel')
    .action(async (address: string, { api, port }: ApiOption & { port: string }) => {
      const remotes = `/v1/tunnels/${encodeURIComponent(port)}/remotes`;
      await new Client(api).text('DELETE', `${remotes}${query({ address })}`);
    });
}
