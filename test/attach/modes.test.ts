/** What users of MACVLAN and IPVLAN know, over the switch: several addresses behind one MAC, several MACs behind one port. */
import { Switch } from 'memswitch';
import { describe, expect, onTestFinished, test } from 'vitest';
import { lacksRoot, Namespace } from '../devices/support.js';
import { run } from '../interop/processes.js';
import { reaches } from './support.js';

const why = lacksRoot();

function tap(pod: Namespace, more: object = {}) {
  return {
    kind: 'tap' as const,
    bridge: 'blue',
    interface: 'eth0',
    netns: `/run/netns/${pod.name}`,
    ...more,
  };
}

describe.skipIf(why !== undefined)(`modes${why === undefined ? '' : `: ${why}`}`, () => {
  test('private: containers reach the uplink, and not each other', async () => {
    const [one, two, uplink] = [new Namespace(), new Namespace(), new Namespace()];
    const isolated = { isolated: true };
    await using _ = await Switch.start({
      ports: { one: tap(one, isolated), two: tap(two, isolated), uplink: tap(uplink) },
    });
    one.address('eth0', '10.89.0.1');
    two.address('eth0', '10.89.0.2');
    uplink.address('eth0', '10.89.0.9');
    await reaches(one, '10.89.0.9');
    await reaches(two, '10.89.0.9');
    expect(() => one.ping('10.89.0.2', 3, '-W', '1')).toThrow(/0 received/);
  });

  test('ipvlan l2: several IP addresses behind one MAC', async () => {
    const [one, two] = [new Namespace(), new Namespace()];
    await using sw = await Switch.start({ ports: { one: tap(one), two: tap(two) } });
    one.address('eth0', '10.89.0.1');
    for (const address of ['10.89.0.2', '10.89.0.3', '10.89.0.4']) {
      two.address('eth0', address);
    }
    await reaches(one, '10.89.0.2');
    await reaches(one, '10.89.0.3');
    await reaches(one, '10.89.0.4');
    expect(sw.port('two').macs).toBe(1);
  });

  test('bridge and passthru: stations with MACs of their own behind one port, as many as it may have', async () => {
    const [one, two, inner] = [new Namespace(), new Namespace(), new Namespace()];
    await using sw = await Switch.start({ ports: { one: tap(one), two: tap(two) } });
    one.address('eth0', '10.89.0.1');
    two.address('eth0', '10.89.0.2');
    const child = [
      'link',
      'add',
      'link',
      'eth0',
      'name',
      'mv0',
      'type',
      'macvlan',
      'mode',
      'bridge',
    ];
    run('ip', '-n', two.name, ...child);
    onTestFinished(() => inner.end());
    run('ip', '-n', two.name, 'link', 'set', 'mv0', 'netns', inner.name);
    inner.address('mv0', '10.89.0.3');
    await reaches(one, '10.89.0.2');
    await reaches(one, '10.89.0.3');
    expect(sw.port('two').macs).toBe(2);
    // More addresses than the port may have are not learned; their frames go on as to an unknown station.
    await sw.setPort('two', { macLimit: 1 });
    await sw.flushMacs({ port: 'two' });
    await reaches(one, '10.89.0.2');
    await reaches(one, '10.89.0.3');
    expect(sw.port('two').macs).toBe(1);
  });
});
