/**
 * Virtual functions of an SR-IOV card: in a virtual machine with an emulated one (lab), where guest.mjs does the work. Each
 * of its checks is a test here.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { lacksDpdk } from '../devices/support.js';

const lab = join(import.meta.dirname, 'lab');
const guest = join(import.meta.dirname, 'guest.mjs');

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

const why = lacksDpdk();

describe.skipIf(why !== undefined)(`SR-IOV${why === undefined ? '' : `: ${why}`}`, () => {
  let results = new Map<string, string>();
  beforeAll(() => {
    results = runLab('--timeout', '400', '--', process.execPath, guest);
  }, 420_000);

  test.each([
    'a card without functions, and what it does not have, are told',
    'the doctor finds the card, its IOMMU and vfio, and counts the functions',
    'a function in a group with devices that others use is told',
    'what the card is told of a function',
    'functions are made, set up on the card, and taken',
    'ping: function and card, function and function: none lost',
    'TCP between a function and the card',
    'a function without interrupts lets a worker doze: nothing lost',
    'a link of the card that goes down and up is seen at its functions',
    'a trunk over a function: the card lets its VLANs in, and no others',
    'a VLAN that the card puts a function in: its frames have no tag here',
    'a tunnel over a function, its checksums filled in and checked by the card',
    'function ↔ memif ↔ another switch',
    'a function in use by another process is told',
    'a function that is unbound under traffic costs its port only, and comes back',
    'closing puts the former drivers back',
    'all functions taken from the card under traffic cost their ports only',
    'so does the next start after a crash',
  ])('%s', (name) => {
    expect(results.get(name)).toBe('ok');
  });
});

describe.skipIf(why !== undefined)(`virtio${why === undefined ? '' : `: ${why}`}`, () => {
  let results = new Map<string, string>();
  beforeAll(() => {
    results = runLab(
      '--nic',
      'virtio',
      '--timeout',
      '400',
      '--',
      process.execPath,
      guest,
      'virtio',
    );
  }, 420_000);

  test.each([
    'functions are made and taken; what the card cannot set is told',
    'ping and TCP between functions: none lost',
    'an idle worker sleeps until an interrupt of a function: nothing lost',
    'a link that goes down and up is told by its interrupt',
    'closing gives the functions back',
    'a bond of functions goes on over the other when one is cut',
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
