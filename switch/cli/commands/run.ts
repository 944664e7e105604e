import type { Command } from 'commander';
import { runDaemon } from '../daemon.js';
import { type ApiOption, withApi } from '../options.js';

export function configure(command: Command): void {
  withApi(command)
    .option('--config <file>', 'configuration, YAML or JSON (default: one worker, nothing else)')
    .action((options: ApiOption & { config?: string }) => runDaemon(options));
}
