import { Argument, type Command } from 'commander';
import type { Change } from '../../config/difference.js';
import { readYaml } from '../../config/parse.js';
import { describeChanges } from '../changes.js';
import { Client } from '../client.js';
import { type ApiOption, query, withApi, withExamples } from '../options.js';

interface Options extends ApiOption {
  dryRun?: boolean;
  prune?: boolean;
  json?: boolean;
}

export function configure(command: Command): void {
  withExamples(withApi(command), [
    'memswitch apply memswitch.yaml --dry-run',
    'memswitch apply memswitch.yaml',
  ])
    .addArgument(new Argument('<file>', 'configuration, YAML or JSON; - for standard input'))
    .option('--dry-run', 'only tells what would be done')
    .option('--prune', 'also removes what was added to the live switch by other ways')
    .option('--json', "the API's array of changes")
    .action(apply);
}

async function apply(file: string, { api, dryRun = false, prune = false, json }: Options) {
  const path = `/v1/apply${query({ dryRun: String(dryRun), prune: String(prune) })}`;
  const text = await new Client(api).text('POST', path, readYaml(file) as object);
  const changes = JSON.parse(text) as Change[];
  process.stdout.write(`${json ? text : describeChanges(changes, dryRun)}\n`);
}
