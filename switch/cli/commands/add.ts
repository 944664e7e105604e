import type { Command } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, wholeNumber, withApi, yesNo } from '../options.js';
import { withPortOptions } from '../port-options.js';

export function configure(command: Command): void {
  const port = withApi(command.command('port')).description('Adds a port');
  withPortOptions(port.argument('<name>')).action(addPort);

  withApi(command.command('bridge'))
    .description('Adds a bridge')
    .argument('<name>')
    .option('--ageing <seconds>', 'how long a learned address lives; 0 = for ever', wholeNumber)
    .option('--mac-limit <count>', 'most addresses', wholeNumber)
    .option('--learn <true|false>', 'whether addresses are learned', yesNo)
    .option('--flood <true|false>', 'whether unknown destinations are flooded', yesNo)
    .action(addBridge);

  withApi(command.command('mac'))
    .description('Adds a static address')
    .argument('<mac>')
    .requiredOption('--bridge <name>')
    .requiredOption('--port <name>')
    .option('--remote <address>', 'of a tunnel: the one of its remotes that it is behind')
    .action(addMac);

  withApi(command.command('remote'))
    .description('Adds a remote to a live tunnel')
    .argument('<address>')
    .requiredOption('--port <name>', 'the tunnel')
    .action(addRemote);
}

async function addPort(name: string, { api, ...options }: ApiOption) {
  await new Client(api).text('POST', `/v1/ports/${encodeURIComponent(name)}`, options);
}

async function addBridge(name: string, { api, ...options }: ApiOption) {
  await new Client(api).text('POST', `/v1/bridges/${encodeURIComponent(name)}`, options);
}

async function addMac(
  mac: string,
  { api, ...where }: ApiOption & { bridge: string; port: string; remote?: string },
) {
  await new Client(api).text('POST', '/v1/macs', { mac, ...where });
}

async function addRemote(address: string, { api, port }: ApiOption & { port: string }) {
  await new Client(api).text('POST', `/v1/tunnels/${encodeURIComponent(port)}/remotes`, {
    address,
  });
}
