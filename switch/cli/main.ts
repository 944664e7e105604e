#!/usr/bin/env node
/** The command `memswitch`: a table of commands, of which only the one that was called is loaded. */
import { Command, CommanderError } from 'commander';
import { fail } from './fail.js';

interface Module {
  configure(command: Command): void;
}

/** Each in a file of its own. */
const commands: [name: string, summary: string, load: () => Promise<Module>][] = [
  ['run', 'Runs a switch in the foreground', () => import('./commands/run.js')],
  ['apply', 'Makes a live switch what a file describes', () => import('./commands/apply.js')],
  [
    'show',
    'Shows the switch, its ports, bridges, addresses, tunnels, workers or drops',
    () => import('./commands/show.js'),
  ],
  ['add', 'Adds a port, a bridge, a static address or a remote', () => import('./commands/add.js')],
  ['set', 'Changes a live port or bridge', () => import('./commands/set.js')],
  [
    'delete',
    'Removes a port, a bridge, an address or a remote',
    () => import('./commands/delete.js'),
  ],
  ['flush', 'Removes learned addresses', () => import('./commands/flush.js')],
  [
    'attach',
    'Brings a memif socket up as a TAP interface, in a container',
    () => import('./commands/attach.js'),
  ],
  [
    'capture',
    'Captures frames of ports, as pcapng or a line each',
    () => import('./commands/capture.js'),
  ],
  ['top', 'Shows rates, drops and workers live', () => import('./commands/top.js')],
  ['why', 'Explains where a frame would go, and why', () => import('./commands/why.js')],
  ['metrics', 'Prints Prometheus metrics', () => import('./commands/metrics.js')],
  ['doctor', 'Says what this host lacks for devices', () => import('./commands/doctor.js')],
  ['schema', 'Prints the JSON Schema of configurations', () => import('./commands/schema.js')],
  [
    'completion',
    'Prints a script by which a shell completes this command',
    () => import('./commands/completion.js'),
  ],
  ['bench', 'Measures the switch beside its peers', () => import('../../bench/command.js')],
];

async function main(args: string[]): Promise<void> {
  const program = new Command('memswitch')
    .description('A shared-memory userspace packet switch')
    .exitOverride()
    .showHelpAfterError('(memswitch --help, or memswitch COMMAND --help, tells more)');
  for (const [name, summary, load] of commands) {
    const command = program.command(name).description(summary);
    // Completion must know what each of the others takes.
    if (args[0] === name || args[0] === 'completion') {
      (await load()).configure(command);
    }
  }
  await program.parseAsync(args, { from: 'user' });
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = error instanceof CommanderError ? usage(error) : fail(error);
}

/** commander has told what was wrong, or printed the help that was asked for. */
function usage({ exitCode }: CommanderError): number {
  return exitCode === 0 ? 0 : 2;
}
