/**
 * Virtual functions of an SR-IOV card: in a virtual machine with an emulated one (lab), where guest.mjs does the work. Each
 * of its checks is a test here.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { lacksDpdk } from '../devices/support.js';

const lab = join(import.meta.dirname, 'lab');
const guest = join(import.meta.dirname, 'guest.mjs');

/** Why there is no lab here; undefined: there is one. */
function missing(): string | undefined {
  const version = spawnSync('qemu-system-x86_64', ['--version'], { encoding: 'utf8' }).stdout ?? '';
  const major = Number(/version (\d+)/.exec(version)?.[1] ?? 0);
  if (major < 8) {
    return 'needs qemu-system-x86 8.0 or newer (bookworm-backports)';
  }
  const programs = ['/usr/bin/busybox', '/usr/bin/cpio', '/usr/sbin/depmod'];
  const absent = programs.find(
    (path) => !existsSync(path) && !existsSync(path.replace('/usr', '')),
  );
  return absent === undefined ? undefined : `needs ${absent} (busybox-static, cpio, kmod)`;
}

/** What the guest printed of each check. */
function runLab(...args: string[]): Map<string, string> {
  const { stdout, stderr } = spawnSync(lab, args, { encoding: 'utf8' });
  console.log(
    stdout
      .split('\n')
      .filter((line) => /^TCP/.test(line))
      .join('\n'),
    stderr,
  );
  const lines = [...stdout.matchAll(/^check (.*?): (ok|FAILED.*)\r?$/gm)];
  return new Map(lines.map(([, name = '', result = '']) => [name, result]));
}

const why = lacksDpdk() ?? missing();

describe.skipIf(why !== undefined)(`SR-IOV${why === undefined ? '' : `: ${why}`}`, () => {
  let results = new Map<string, string>();
  beforeAll(() => {
    results = runLab('--timeout', '400', '--', process.execPath, guest);
  }, 420_000);

  test.each([
    'a card without functions, and what it does not have, are told',
    'functions are made, set up on the card, and taken',
    'ping: function and card, function and function: none lost',
    'TCP between a function and the card',
    'function ↔ memif ↔ another switch',
    'a function in use by another process is told',
    'a function that is unbound under traffic costs its port only, and comes back',
    'closing puts the former drivers back',
    'so does the next start after a crash',
  ])('%s', (name) => {
    expect(results.get(name)).toBe('ok');
  });
});

describe.skipIf(why !== undefined)(`without an IOMMU${why === undefined ? '' : `: ${why}`}`, () => {
  test('a missing IOMMU is told, with what to do', { timeout: 420_000 }, () => {
    const args = ['--no-iommu', '--timeout', '400', '--', process.execPath, guest, 'no-iommu'];
    expect([...runLab(...args).values()]).toEqual(['ok']);
  });
});
