import type { Command } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, withApi, withExamples } from '../options.js';

export function configure(command: Command): void {
  withExamples(withApi(command), ["memswitch metrics | grep '^memswitch_port_up'"]).action(
    async ({ api }: ApiOption) => {
      process.stdout.write(await new Client(api).text('GET', '/metrics'));
    },
  );
}
