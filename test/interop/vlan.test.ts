/** Tags on the wire, with Open vSwitch as the other end of a trunk and Linux behind access ports. */
import { type PortOptions, Switch } from 'memswitch';
import { afterEach, describe, expect, test } from 'vitest';
import { lacksRoot, Namespace } from '../devices/support.js';
import { balance, folder, until } from '../switch/support.js';
import { OpenVswitch, ovsMissing } from './ovs.js';
import { endAll } from './processes.js';

const lacking = lacksRoot() ?? (ovsMissing && `needs ${ovsMissing}`);

afterEach(endAll);

function tap({ name }: Namespace, more: object): PortOptions {
  return { kind: 'tap', bridge: 'blue', interface: 'eth0', netns: name, ...more };
}

describe.skipIf(lacking !== undefined)(`trunk${lacking ? `: ${lacking}` : ''}`, () => {
  test('two VLANs of Linux hosts reach theirs behind Open vSwitch, and not each other', async () => {
    const [red, green, ovsHost] = [new Namespace(), new Namespace(), new Namespace()];
    await using sw = await Switch.start({
      bridges: { blue: { vlans: true } },
      ports: {
        red: tap(red, { access: 100 }),
        green: tap(green, { access: 200 }),
        ovs: tap(ovsHost, { trunk: [100, '200-299'] }),
      },
    });
    red.address('eth0', '10.90.1.1');
    green.address('eth0', '10.90.2.1');
    green.address('eth0', '10.90.1.2'); // would reach red, were it not in another VLAN
    const ovs = new OpenVswitch(ovsHost.name, folder());
    await ovs.start();
    ovs.trunk({ 100: '10.90.1.9', 200: '10.90.2.9' });
    await until('Open vSwitch forwards', () => red.reaches('10.90.1.9'));
    await until('Open vSwitch forwards', () => green.reaches('10.90.2.9'));
    // Open vSwitch may lose one while it looks through the flows that it has just made; nothing may be lost here.
    const { drops } = sw.status();
    await until('all come', () => red.ping('10.90.1.9', 300) === 300);
    await until('all come', () => green.ping('10.90.2.9', 300, '-s', '1472') === 300);
    expect(sw.status().drops).toBe(drops);
    await balance(sw);
    expect(red.reaches('10.90.1.2')).toBe(false);
    const known = sw.macs({ port: 'ovs' }).macs.map(({ vlan }) => vlan);
    expect([...new Set(known)].sort()).toEqual([100, 200]);
    // Red moves into green's VLAN, live.
    await sw.setPort('red', { access: 200 });
    await until('neighbours are found', () => red.reaches('10.90.1.2'));
    expect(red.reaches('10.90.1.9')).toBe(false);
  });
});
