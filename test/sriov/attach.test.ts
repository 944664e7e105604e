/** Virtual functions as attachments of pods: in the lab's virtual machine, where attach-guest.mjs does the work. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { lacksDpdk } from '../devices/support.js';

const lab = join(import.meta.dirname, 'lab');
const guest = join(import.meta.dirname, 'attach-guest.mjs');
const why = lacksDpdk();

describe.skipIf(why !== undefined)(`SR-IOV by CNI${why === undefined ? '' : `: ${why}`}`, () => {
  let results = new Map<string, string>();
  beforeAll(() => {
    const args = ['--timeout', '400', '--', process.execPath, guest];
    const { stdout, stderr } = spawnSync(lab, args, { encoding: 'utf8' });
    console.log(stderr);
    const lines = [...stdout.matchAll(/^check (.*?): (ok|FAILED.*)\r?$/gm)];
    results = new Map(lines.map(([, name = '', result = '']) => [name, result]));
  }, 420_000);

  test.each([
    'a function is handed to a pod as its interface, and comes back',
    'a function whose pod dies without a word is collected',
    'a function bound to vfio-pci is the pod’s device, without an interface',
    'a function that the switch holds carries another pod’s frames',
    'what cannot be is told',
  ])('%s', (name) => {
    expect(results.get(name)).toBe('ok');
  });
});
