/**
 * Fuzzes what parses a peer's bytes, by libFuzzer under ASan and UBSan, from the committed corpus on.
 *
 *   npm run fuzz -- [TARGET…] [--minutes N]     all targets (test/fuzz/*.cc), 30 minutes each; at the same time
 *
 * What is found lies in .cache/fuzz/TARGET, an input that breaks something as TARGET-crash-…; exit status 1 then.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from '../native/build.mjs';
import { root } from '../native/gyp.mjs';

const all = readdirSync(join(root, 'test', 'fuzz', 'corpus')).sort();
const { values, positionals } = parseArgs({
  options: { minutes: { type: 'string', default: '30' } },
  allowPositionals: true,
});
const minutes = Number(values.minutes);
const unknown = positionals.filter((target) => !all.includes(target));
if (!(minutes > 0) || unknown.length > 0) {
  const what = unknown.length > 0 ? `no target ${unknown.join(', ')}` : 'minutes: a number above 0';
  process.stderr.write(`fuzz: ${what}; targets: ${all.join(', ')}\n`);
  process.exit(2);
}

function fuzz(program, target) {
  const found = join(root, '.cache', 'fuzz', target);
  mkdirSync(found, { recursive: true });
  const options = [
    `-max_total_time=${Math.round(minutes * 60)}`,
    '-max_len=8192',
    '-print_final_stats=1',
    `-artifact_prefix=${join(root, '.cache', 'fuzz', `${target}-`)}`,
  ];
  const corpus = join(root, 'test', 'fuzz', 'corpus', target);
  const child = spawn(program, [...options, found, corpus], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let last = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    last = (last + text).slice(-4000);
  });
  return new Promise((resolve) => {
    child.on('close', (status) => {
      process.stdout.write(`\n== ${target}\n${summary(last)}\n`);
      resolve(status ?? 1);
    });
  });
}

/** Coverage, what was counted, and the first words of a failure. */
function summary(text) {
  const lines = text.split('\n');
  const progress = lines.filter((line) => /^#\d+.*cov: /.test(line)).at(-1) ?? '';
  return [progress, ...lines.filter((line) => /stat::|ERROR|SUMMARY/.test(line))].join('\n');
}

const targets = positionals.length > 0 ? positionals : all;
const programs = [];
for (const target of targets) {
  programs.push(await build('fuzz', target));
}
const results = await Promise.all(targets.map((target, index) => fuzz(programs[index], target)));
process.exitCode = results.some((status) => status !== 0) ? 1 : 0;
