import type { Command } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, wholeNumber, withApi, withExamples, yesNo } from '../options.js';

export function configure(command: Command): void {
  withExamples(withApi(command.command('port')), ['memswitch set port web --mtu 1500'])
    .description('Changes a live port; its link stays up')
    .argument('<name>')
    .option('--bridge <name>', 'moves it to another bridge')
    .option('--mac-limit <count>', 'most addresses learned behind it; 0 = no limit', wholeNumber)
    .option('--mtu <bytes>', 'longest frame, without its Ethernet header', wholeNumber)
    .action((name: string, options: ApiOption) => change('ports', name, options));

  withExamples(withApi(command.command('bridge')), ['memswitch set bridge blue --ageing 60'])
    .description('Changes a bridge')
    .argument('<name>')
    .option('--ageing <seconds>', 'how long a learned address lives; 0 = for ever', wholeNumber)
    .option('--learn <true|false>', 'whether addresses are learned', yesNo)
    .option('--flood <true|false>', 'whether unknown destinations are flooded', yesNo)
    .action((name: string, options: ApiOption) => change('bridges', name, options));
}

async function change(what: string, name: string, { api, ...changes }: ApiOption) {
  await new Client(api).text('PATCH', `/v1/${what}/${encodeURIComponent(name)}`, changes);
}
