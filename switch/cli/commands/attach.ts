import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';

/** Stands alone, so that it can be copied into any image; found from dist/switch/cli/commands. */
const program = fileURLToPath(
  new URL('../../../../build/Release/memswitch-attach', import.meta.url),
);

/** The program checks what it is given, and explains itself: it is also run without this command. */
export function configure(command: Command): void {
  command
    .argument('<socket|file.env>', 'a memif socket, or the file that lies beside it')
    .argument('[options...]', '--id --secret --interface --mac --mtu --ip --route --netns --role')
    .helpOption(false)
    .allowUnknownOption()
    .action((place: string, options: string[]) => attach([place, ...options]));
}

async function attach(args: string[]): Promise<void> {
  const child = spawn(program, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  const [status] = await once(child, 'close');
  process.exitCode = status ?? 1;
}
