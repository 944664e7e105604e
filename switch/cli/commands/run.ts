import { type Command, Option } from 'commander';
import { type DaemonOptions, runDaemon } from '../daemon.js';
import { formats, levels } from '../log.js';
import { withApi, withExamples } from '../options.js';

export function configure(command: Command): void {
  withExamples(withApi(command), [
    'memswitch run --config memswitch.yaml',
    'memswitch run --config memswitch.yaml --state /var/lib/memswitch',
    'memswitch run --config memswitch.yaml --state /var/lib/memswitch --takeover',
  ])
    .option('--config <file>', 'configuration, YAML or JSON (default: one worker, nothing else)')
    .option('--state <folder>', 'keeps there what outlives a restart; default: nothing is kept')
    .option(
      '--takeover',
      'takes the place of the daemon that serves --api: memif peers do not notice; starts anew where there is none',
    )
    .option('--keep-learned', 'with --state: learned addresses too, written every 10 seconds')
    .option(
      '--docker [socket]',
      "serves Docker's network and IPAM drivers (default: /run/docker/plugins/memswitch.sock)",
    )
    .option('--listen <host:port>', 'serves the API over TCP too, with TLS and a token')
    .option('--tls-cert <file>', 'with --listen: certificate with its chain, PEM')
    .option('--tls-key <file>', 'with --listen: its private key, PEM')
    .option('--token-file <file>', 'with --listen: the token that clients must send')
    .addOption(
      new Option('--log-level <level>', 'least that is told').choices(levels).default('warn'),
    )
    .addOption(
      new Option('--log-format <format>', 'default: journal under systemd, else text').choices(
        formats,
      ),
    )
    .action((options: DaemonOptions) => runDaemon(options));
}
