import type { Command } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, query, withApi, withExamples } from '../options.js';

export function configure(command: Command): void {
  for (const what of ['port', 'bridge', 'mirror']) {
    withExamples(withApi(command.command(what)), [`memswitch delete ${what} NAME`])
      .description(`Removes a ${what}`)
      .argument('<name>')
      .action(async (name: string, { api }: ApiOption) => {
        await new Client(api).text('DELETE', `/v1/${what}s/${encodeURIComponent(name)}`);
      });
  }
  withApi(command.command('worker'))
    .description('Removes a worker; others take its queues')
    .argument('<number>')
    .action(async (worker: string, { api }: ApiOption) => {
      await new Client(api).text('DELETE', `/v1/workers/${encodeURIComponent(worker)}`);
    });

  withExamples(withApi(command.command('static').alias('mac')), [
    'memswitch delete static 02:00:00:00:00:07 --bridge blue',
  ])
    .description('Removes an address, static or learned')
    .argument('<mac>')
    .requiredOption('--bridge <name>')
    .action(async (mac: string, { api, bridge }: ApiOption & { bridge: string }) => {
      await new Client(api).text('DELETE', `/v1/macs${query({ bridge, mac })}`);
    });
  withExamples(withApi(command.command('remote')), ['memswitch delete remote 192.0.2.2 --port out'])
    .description('Removes a remote of a live tunnel')
    .argument('<address>')
    .requiredOption('--port <name>', 'the tunnel')
    .action(async (address: string, { api, port }: ApiOption & { port: string }) => {
      const remotes = `/v1/tunnels/${encodeURIComponent(port)}/remotes`;
      await new Client(api).text('DELETE', `${remotes}${query({ address })}`);
    });
}
