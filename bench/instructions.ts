/**
 * What a frame costs, in instructions, by callgrind: the steady figure of a machine whose clock is not. Compared with the
 * figures that are committed beside this file, so that a change that costs more has to say so.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { built, root } from './programs.js';

/** What is counted: a name, and the arguments of bench/instructions.cc. */
const scenarios: [name: string, args: string[]][] = [
  ['bridge, 60 B', ['bridge', '1', '60']],
  ['bridge, 64 B', ['bridge', '1', '64']],
  ['bridge, 1518 B', ['bridge', '1', '1518']],
  ['bridge, 64 B, 1,000,000 addresses', ['bridge', '1000000', '64']],
  ['cross-connect, 64 B', ['cross-connect', '64']],
  ['flood to 8, 64 B', ['flood', '64']],
  ['VLAN access to trunk, 64 B', ['vlan', '64']],
  ['rate limits, 64 B', ['rate-limit', '64']],
  ['anti-spoofing, 64 B', ['anti-spoof', '64']],
  ['encapsulate, 64 B', ['encapsulate', '64']],
  ['encapsulate, 1400 B', ['encapsulate', '1400']],
  ['decapsulate, 64 B', ['decapsulate', '64']],
  ['decapsulate, 1400 B', ['decapsulate', '1400']],
];

/** A figure that is worse by more than this share of it is a failure. */
const tolerance = 0.03;

const schema = z.strictObject({
  tools: z.string().describe('Compiler, C library and processor, on which the figures depend'),
  figures: z.record(z.string(), z.number()).describe('Instructions a frame'),
});

export type Instructions = z.infer<typeof schema>;

const file = join(root, 'bench', 'instructions.json');

export function committed(): Instructions {
  return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
}

export function commit(instructions: Instructions): void {
  writeFileSync(file, `${JSON.stringify(instructions, null, 2)}\n`);
}

/** Of this machine: another compiler makes other code, another C library or processor copies otherwise. */
export function tools(): string {
  const version = (command: string, ...args: string[]) =>
    spawnSync(command, args, { encoding: 'utf8' }).stdout?.trim() || 'unknown';
  // What valgrind shows a program of a processor goes as far as AVX2.
  const avx2 = /^flags\s*:.*\bavx2\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
  const compiler = `g++ ${version('g++', '-dumpfullversion')}`;
  return `${compiler}, ${version('getconf', 'GNU_LIBC_VERSION')}, ${avx2 ? 'AVX2' : 'no AVX2'}`;
}

/** Counts one scenario after the other; shows each as it is done. */
export async function count(show: (name: string, figure: number) => void): Promise<Instructions> {
  const figures: Record<string, number> = {};
  const folder = mkdtempSync(join(tmpdir(), 'memswitch-bench-'));
  try {
    for (const [name, args] of scenarios) {
      const figure = Number((await instructionsPerFrame(args, folder)).toFixed(1));
      figures[name] = figure;
      show(name, figure);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { tools: tools(), figures };
}

async function instructionsPerFrame(scenario: string[], folder: string): Promise<number> {
  const options = [
    '--tool=callgrind',
    `--callgrind-out-file=${join(folder, 'callgrind.out')}`,
    '--collect-atstart=no',
    '--toggle-collect=memswitch::poll_once*',
  ];
  const { stdout, stderr } = await promisify(execFile)('valgrind', [
    ...options,
    built('instructions'),
    ...scenario,
  ]);
  const collected = /Collected : (\d+)/.exec(stderr)?.[1];
  if (collected === undefined) {
    throw new Error(`valgrind told no count: ${stderr}`);
  }
  return Number(collected) / Number(stdout);
}

export interface Change {
  name: string;
  before: number | undefined;
  after: number | undefined;
  /** Share of the figure before; above 0: worse. */
  change: number;
}

export function changes(before: Instructions, after: Instructions): Change[] {
  const names = new Set([...Object.keys(before.figures), ...Object.keys(after.figures)]);
  return [...names].map((name) => {
    const [old, now] = [before.figures[name], after.figures[name]];
    const change = old === undefined || now === undefined ? Number.NaN : now / old - 1;
    return { name, before: old, after: now, change };
  });
}

/** A line for each figure that is worse than it may be, or that only one side has. */
export function complaints(before: Instructions, after: Instructions): string[] {
  return changes(before, after)
    .filter(({ change }) => !(change <= tolerance))
    .map(({ name, before: old, after: now, change }) =>
      Number.isNaN(change)
        ? `${name}: ${old === undefined ? 'not committed' : 'not counted any more'}`
        : `${name}: ${now} instructions a frame, ${old} committed: ${(change * 100).toFixed(1)} % worse`,
    );
}
