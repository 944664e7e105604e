/** What a vf port refuses before it touches any hardware; the rest is in test/sriov. */
import { existsSync } from 'node:fs';
import { type PortOptions, Switch } from 'memswitch';
import { expect, test } from 'vitest';

const vf = (more: object) => ({ kind: 'vf', bridge: 'blue', ...more }) as PortOptions;
const address = '0000:ff:1f.7';

test.each<[object, string]>([
  [{}, 'ports.p.device: must be given, or "pf" and "vf"'],
  [{ device: '1:2' }, 'ports.p.device: must be a PCI address like 0000:01:10.0, got "1:2"'],
  [{ device: address, vf: 1 }, 'ports.p.device: must not be given together with "pf" and "vf"'],
  [{ pf: 'eth0' }, 'ports.p.vf: must be given with "pf"'],
  [{ pf: 'eth0', vf: 256 }, 'ports.p.vf: must be an integer from 0 to 255'],
  [{ device: address, mac: '01:00:5e:00:00:01' }, 'ports.p.mac: must be the address of one'],
  [{ device: address, vlan: 4095 }, 'ports.p.vlan: must be an integer from 0 to 4094'],
  [
    { device: address, linkState: 'up' },
    'ports.p.linkState: must be one of: auto, enable, disable',
  ],
  [{ device: address, netns: 'x' }, 'ports.p.netns: is not known'],
  [{ device: address }, `no PCI device has the address ${address}`],
  [{ pf: 'nonesuch0', vf: 0 }, 'no interface "nonesuch0" of a PCI device'],
])('%j is refused in words', async (options, words) => {
  await using sw = await Switch.start();
  await expect(sw.addPort('p', vf(options))).rejects.toThrow(words);
  expect(sw.ports()).toEqual([]);
});

test('nothing is noted of a device that was refused', async () => {
  await using sw = await Switch.start();
  await expect(sw.addPort('p', vf({ device: address }))).rejects.toThrow();
  expect(existsSync(`/run/memswitch/devices/${address}.json`)).toBe(false);
});
