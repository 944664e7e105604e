import type { Command } from 'commander';
import { Client } from '../client.js';
import { type ApiOption, withApi } from '../options.js';

export function configure(command: Command): void {
  withApi(command).action(async ({ api }: ApiOption) => {
    process.stdout.write(await new Client(api).text('GET', '/metrics'));
  });
}
