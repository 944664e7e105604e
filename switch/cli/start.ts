/** `npm start`: the demo, or with --config the user's own switch. */
import { Command, CommanderError } from 'commander';
import { runDaemon } from './daemon.js';
import { runDemo } from './demo.js';
import { fail } from './fail.js';
import { wholeNumber } from './options.js';

interface Options {
  config?: string;
  api?: string;
  size: number;
  window: number;
  seconds?: number;
}

const program = new Command('npm start --')
  .description('Two load clients send each other frames through a switch of two memif ports')
  .option('--size <bytes>', 'length of a frame, without checksum', wholeNumber, 64)
  .option('--window <frames>', 'frames that each client keeps going round', wholeNumber, 256)
  .option('--seconds <seconds>', 'how long (default: until Ctrl-C)', wholeNumber)
  .option('--config <file>', 'runs this configuration instead, as `memswitch run` does')
  .option('--api <socket>', 'with --config: socket of the API')
  .exitOverride()
  .action(start);

async function start({ config, api, ...demo }: Options): Promise<void> {
  if (config !== undefined) {
    await runDaemon({ config, ...(api !== undefined && { api }) });
  } else if (!(await runDemo(demo))) {
    process.exitCode = 1;
  }
}

try {
  await program.parseAsync();
} catch (error) {
  const usage = error instanceof CommanderError;
  process.exitCode = usage ? Math.min(error.exitCode * 2, 2) : fail(error);
}
