import type { Command } from 'commander';
import { type DaemonOptions, runDaemon } from '../daemon.js';
import { withApi } from '../options.js';

export function configure(command: Command): void {
  withApi(command)
    .option('--config <file>', 'configuration, YAML or JSON (default: one worker, nothing else)')
    .option('--state <folder>', 'keeps there what outlives a restart; default: nothing is kept')
    .option(
      '--docker [socket]',
      "serves Docker's network and IPAM drivers (default: /run/docker/plugins/memswitch.sock)",
    )
    .action((options: DaemonOptions) => runDaemon(options));
}
