import type { Command } from 'commander';
import { jsonSchema } from '../../reference/configuration.js';
import { withExamples } from '../options.js';

export function configure(command: Command): void {
  withExamples(command, ['memswitch schema > memswitch.schema.json']).action(() => {
    process.stdout.write(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
  });
}
