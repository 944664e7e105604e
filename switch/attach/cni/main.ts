/** The CNI plugin `memswitch-cni`: built into one file, which imports nothing but Node (setup.mjs). */
import { readFileSync } from 'node:fs';
import { type Call, latest, readCall, versions } from './call.js';
import { commands } from './commands.js';
import { Daemon } from './daemon.js';
import { CniFailure, codes } from './failure.js';

async function main(): Promise<void> {
  if (process.env.CNI_COMMAND === undefined) {
    process.stdout.write(
      `memswitch-cni: attaches containers to memswitch; CNI versions ${versions.join(', ')}\n` +
        'A container runtime runs it: put it into a folder of CNI_PATH, for example /opt/cni/bin.\n',
    );
    return;
  }
  let call: Call | undefined;
  try {
    call = readCall(process.env, readFileSync(0, 'utf8'));
    const result = await commands[call.command]?.(call, new Daemon(call.conf));
    if (result !== undefined) {
      process.stdout.write(`${JSON.stringify(result)}\n`);
    }
  } catch (error) {
    const failure =
      error instanceof CniFailure
        ? error
        : new CniFailure(codes.refused, (error as Error).message, (error as Error).stack);
    const version = call?.conf.cniVersion ?? latest;
    process.stdout.write(`${JSON.stringify(failure.toJson(version))}\n`);
    process.exitCode = 1;
  }
}

void main();
