/**
 * The native tests (test/native/main.cc): as they are shipped, under the address and undefined-behaviour sanitizers, and,
 * those with several threads, under the thread sanitizer. Those of devices are a program of their own, with DPDK.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lacksDpdk } from './devices/support.js';

const root = join(import.meta.dirname, '..');

function build(variant: string, target = 'native_test'): string {
  const script = join(root, 'test', 'native', 'build.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, variant, target], {
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

const whyNot = lacksDpdk();
const suppressions = join(root, 'test', 'native', 'dpdk.tsan');

const deviceVariants: [name: string, program: () => string, filter: string][] = [
  ['as they are', () => build('plain', 'device_test'), ''],
  ['under ASan and UBSan', () => build('address', 'device_test'), ''],
  ['with threads under TSan', () => build('thread', 'device_test'), 'two workers'],
];

function run(name: string, program: string, filter: string): void {
  const { status, stdout, stderr } = spawnSync(program, [filter], {
    encoding: 'utf8',
    timeout: 600_000,
    env: {
      ...process.env,
      TSAN_OPTIONS: `halt_on_error=1 suppressions=${suppressions}`,
      // The door to DPDK and the program have some files in common, as in the addon.
      ASAN_OPTIONS: 'detect_leaks=1 detect_odr_violation=0',
    },
  });
  const failures = stdout.split('\n').filter((line) => !line.startsWith('ok'));
  expect(status, `${failures.join('\n')}\n${stderr}`).toBe(0);
  console.log(`native tests ${name}: ${stdout.trim().split('\n').at(-1)}`);
}

test.each(variants)('native tests %s', { timeout: 900_000 }, (name, program, filter) => {
  run(name, program(), filter);
});

describe.skipIf(whyNot !== undefined)(`native tests of devices: ${whyNot ?? ''}`, () => {
  test.each(deviceVariants)('%s', { timeout: 900_000 }, (name, program, filter) => {
    run(`of devices ${name}`, program(), filter);
  });
});
