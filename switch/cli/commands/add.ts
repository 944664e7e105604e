import { type Command, Option } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, wholeNumber, withApi, withExamples, yesNo } from '../options.js';
import { meant, withPortOptions } from '../port-options.js';

export function configure(command: Command): void {
  const port = withExamples(withApi(command.command('port')), [
    'memswitch add port web --kind memif --bridge blue --socket /run/memswitch/web.sock',
    'memswitch add port out --kind vxlan --bridge blue --vni 7 --local 192.0.2.1',
  ]).description('Adds a port');
  withPortOptions(port.argument('<name>')).action(addPort);

  withExamples(withApi(command.command('bridge')), ['memswitch add bridge red --ageing 60'])
    .description('Adds a bridge')
    .argument('<name>')
    .option('--ageing <seconds>', 'how long a learned address lives; 0 = for ever', wholeNumber)
    .option('--mac-limit <count>', 'most addresses', wholeNumber)
    .option('--learn <true|false>', 'whether addresses are learned', yesNo)
    .option('--flood <true|false>', 'whether unknown destinations are flooded', yesNo)
    .option('--vlans <true|false>', 'whether its ports carry VLANs', yesNo)
    .action(addBridge);

  withApi(command.command('worker'))
    .description('Adds a worker, which takes its share of the queues; prints its number')
    .option('--cpu <number>', 'CPU that it is pinned to', wholeNumber)
    .option('--polling <how>', 'busy, adaptive or interrupt')
    .action(addWorker);

  withExamples(withApi(command.command('static').alias('mac')), [
    'memswitch add static 02:00:00:00:00:07 --bridge blue --port web',
  ])
    .description('Adds a static address; of a bridge with VLANs also as 02:00:00:00:00:01/100')
    .argument('<mac>')
    .requiredOption('--bridge <name>')
    .requiredOption('--port <name>')
    .option('--remote <address>', 'of a tunnel: the one of its remotes that it is behind')
    .action(addMac);

  withExamples(withApi(command.command('remote')), ['memswitch add remote 192.0.2.2 --port out'])
    .description('Adds a remote to a live tunnel')
    .argument('<address>')
    .requiredOption('--port <name>', 'the tunnel')
    .action(addRemote);

  withExamples(withApi(command.command('mirror')), [
    'memswitch add mirror tap --from web db --to mon',
  ])
    .description('Copies what comes in from ports, or leaves by them, to another port')
    .argument('<name>')
    .requiredOption('--from <port...>', 'ports whose frames are copied')
    .requiredOption('--to <port>', 'port that gets them; it leaves its bridge meanwhile')
    .addOption(
      new Option('--direction <direction>', 'rx comes in from the ports').choices([
        'rx',
        'tx',
        'both',
      ]),
    )
    .action(addMirror);
}

async function addPort(name: string, { api, ...options }: ApiOption) {
  await new Client(api).text('POST', `/v1/ports/${encodeURIComponent(name)}`, meant(options));
}

async function addBridge(name: string, { api, ...options }: ApiOption) {
  await new Client(api).text('POST', `/v1/bridges/${encodeURIComponent(name)}`, options);
}

async function addWorker({ api, ...options }: ApiOption) {
  const answer = await new Client(api).text('POST', '/v1/workers', options);
  process.stdout.write(`worker ${(JSON.parse(answer) as { worker: number }).worker}\n`);
}

async function addMac(
  mac: string,
  { api, ...where }: ApiOption & { bridge: string; port: string; remote?: string },
) {
  await new Client(api).text('POST', '/v1/macs', { mac, ...where });
}

async function addMirror(name: string, { api, ...options }: ApiOption) {
  await new Client(api).text('POST', `/v1/mirrors/${encodeURIComponent(name)}`, options);
}

async function addRemote(address: string, { api, port }: ApiOption & { port: string }) {
  await new Client(api).text('POST', `/v1/tunnels/${encodeURIComponent(port)}/remotes`, {
    address,
  });
}
