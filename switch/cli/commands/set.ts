import type { Command } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, wholeNumber, withApi, withExamples, yesNo } from '../options.js';
import { meant, withPortChanges } from '../port-options.js';

export function configure(command: Command): void {
  const port = withExamples(withApi(command.command('port')), [
    'memswitch set port web --mtu 1500',
    "memswitch set port web --rate-limit '{ rx: { bits: 1G } }'",
    'memswitch set port web --storm null',
  ]).description('Changes a live port; its link stays up. Policies are given whole; null ends one');
  withPortChanges(port.argument('<name>')).action((name: string, options: ApiOption) =>
    change('ports', name, options),
  );

  withExamples(withApi(command.command('bridge')), ['memswitch set bridge blue --ageing 60'])
    .description('Changes a bridge')
    .argument('<name>')
    .option('--ageing <seconds>', 'how long a learned address lives; 0 = for ever', wholeNumber)
    .option('--learn <true|false>', 'whether addresses are learned', yesNo)
    .option('--flood <true|false>', 'whether unknown destinations are flooded', yesNo)
    .action((name: string, options: ApiOption) => change('bridges', name, options));

  withApi(command.command('worker'))
    .description('Changes a worker while it works')
    .argument('<number>')
    .option('--cpu <number>', 'CPU that it is pinned to', wholeNumber)
    .option('--polling <how>', 'busy, adaptive or interrupt')
    .action((worker: string, options: ApiOption) => change('workers', worker, options));

  withApi(command.command('queue'))
    .description('Moves a receive queue of a port to another worker')
    .argument('<port>')
    .argument('<number>', 'among the port’s queues, from 0')
    .requiredOption('--worker <number>', 'that polls it from now on', wholeNumber)
    .action(
      async (port: string, queue: string, { api, worker }: ApiOption & { worker: number }) => {
        const path = `/v1/ports/${encodeURIComponent(port)}/queues/${encodeURIComponent(queue)}`;
        await new Client(api).text('PUT', path, { worker });
      },
    );
}

async function change(what: string, name: string, { api, ...changes }: ApiOption) {
  await new Client(api).text('PATCH', `/v1/${what}/${encodeURIComponent(name)}`, meant(changes));
}
