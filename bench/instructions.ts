/**
 * What a frame costs, in instructions, by callgrind: the steady figure of a machine whose clock is not.
 *
 *   npm run bench:instructions
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { built } from './programs.js';

const scenarios = [
  ['bridge', '1', '60'],
  ['bridge', '1', '64'],
  ['bridge', '1', '1518'],
  ['bridge', '1000000', '64'],
  ['flood', '64'],
];

function instructionsPerFrame(scenario: string[], folder: string): number {
  const options = [
    '--tool=callgrind',
    `--callgrind-out-file=${join(folder, 'callgrind.out')}`,
    '--collect-atstart=no',
    '--toggle-collect=memswitch::poll_once*',
  ];
  const run = spawnSync('valgrind', [...options, built('instructions'), ...scenario], {
    encoding: 'utf8',
  });
  const collected = /Collected : (\d+)/.exec(run.stderr)?.[1];
  if (run.status !== 0 || collected === undefined) {
    throw new Error(`valgrind: ${run.error?.message ?? run.stderr}`);
  }
  return Number(collected) / Number(run.stdout);
}

const folder = mkdtempSync(join(tmpdir(), 'memswitch-bench-'));
try {
  for (const scenario of scenarios) {
    const figure = instructionsPerFrame(scenario, folder).toFixed(1);
    process.stdout.write(
      `${scenario.join(' ').padEnd(20)} ${figure.padStart(7)} instructions a frame\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
