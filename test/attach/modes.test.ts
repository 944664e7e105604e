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

function macOf(pod: Namespace): string {
  return pod.exec('cat', '/sys/class/net/eth0/address').trim();
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

  test('vepa: all goes to the uplink, and comes back if the switch behind it reflects', async () => {
    const [one, two, outside] = [new Namespace(), new Namespace(), new Namespace()];
    const vepa = { vepa: true };
    await using sw = await Switch.start({
      ports: { one: tap(one, vepa), two: tap(two, vepa), uplink: tap(outside) },
    });
    one.address('eth0', '10.89.0.1');
    two.address('eth0', '10.89.0.2');
    outside.exec('ip', 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0');
    outside.exec('ip', 'link', 'set', 'eth0', 'master', 'br0');
    outside.address('br0', '10.89.0.9');
    await reaches(one, '10.89.0.9');
    await reaches(two, '10.89.0.9');
    expect(() => one.ping('10.89.0.2', 3, '-W', '1')).toThrow(/0 received/);

    outside.exec('bridge', 'link', 'set', 'dev', 'eth0', 'hairpin', 'on');
    const before = sw.port('uplink').tx.frames;
    await reaches(one, '10.89.0.2');
    await reaches(two, '10.89.0.1');
    await reaches(one, '10.89.0.9');
    expect(sw.port('uplink').tx.frames - before).toBeGreaterThanOrEqual(100n); // 2 × 40 and 20
    expect(sw.port('uplink').moves).toBe(0n); // no container's address was learned where it came back
    expect(sw.macs({ port: 'one' }).macs).toHaveLength(1);
    const [why] = sw.why({ mac: macOf(two), port: 'one' });
    expect(why).toMatchObject({ outcome: 'forwarded', to: ['uplink'] });
    expect(why?.steps.map(({ says }) => says).join('\n')).toContain('reaches it by its uplinks');
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
