/**
 * The native tests (test/native/main.cc): as they are shipped, under the address and undefined-behaviour sanitizers, and,
 * those with several threads, under the thread sanitizer.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

function build(variant: string): string {
  const script = join(root, 'test', 'native', 'build.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, variant], {
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return stdout.trim();
}

const variants: [name: string, program: () => string, filter: string][] = [
  ['as they are', () => build('plain'), ''],
  ['under ASan and UBSan', () => build('address'), ''],
  ['with threads under TSan', () => build('thread'), 'dataplane'],
];

test.each(variants)('native tests %s', { timeout: 900_000 }, (name, program, filter) => {
  const { status, stdout, stderr } = spawnSync(program(), [filter], {
    encoding: 'utf8',
    timeout: 600_000,
    env: { ...process.env, TSAN_OPTIONS: 'halt_on_error=1', ASAN_OPTIONS: 'detect_leaks=1' },
  });
  const failures = stdout.split('\n').filter((line) => !line.startsWith('ok'));
  expect(status, `${failures.join('\n')}\n${stderr}`).toBe(0);
  console.log(`native tests ${name}: ${stdout.trim().split('\n').at(-1)}`);
});
