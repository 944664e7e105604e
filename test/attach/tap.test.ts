/** Ports over TAP interfaces, with real ping and TCP between network namespaces. */
import { type PortOptions, Switch } from 'memswitch';
import { describe, expect, test } from 'vitest';
import { lacksRoot, Namespace, uniqueName } from '../devices/support.js';
import { run } from '../interop/processes.js';
import { balance, until } from '../switch/support.js';

const why = lacksRoot();
const [here, there] = ['10.79.0.1', '10.79.0.2'];

function tap(interface_: string, more: object = {}): PortOptions {
  return { kind: 'tap', bridge: 'blue', interface: interface_, ...more };
}

describe.skipIf(why !== undefined)(`tap${why === undefined ? '' : `: ${why}`}`, () => {
  test('two namespaces: ping and TCP, made and gone with the port', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    const mac = '02:00:00:00:79:01';
    await using sw = await Switch.start({
      ports: {
        left: tap('eth0', { netns: left.name, mac }),
        right: tap('eth0', { netns: right.name, mtu: 9000 }),
      },
    });
    expect(left.exec('ip', '-br', 'link', 'show', 'eth0')).toContain(mac);
    expect(right.exec('ip', 'link', 'show', 'eth0')).toContain('mtu 9000');
    expect(sw.port('left').device).toMatchObject({ mac, mtu: 1500, name: 'eth0', driver: 'tun' });
    left.address('eth0', here);
    right.address('eth0', there);
    expect(left.ping(there, 1000)).toBe(1000);
    expect(sw.macs({ port: 'left' }).macs.map((entry) => entry.mac)).toEqual([mac]);
    expect(await left.tcp(right, there)).toBeGreaterThan(0);
    await balance(sw);
    await sw.removePort('left');
    expect(left.exec('ip', '-br', 'link')).not.toContain('eth0');
  });

  test('a persistent one is taken up again with its addresses', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    const ports = {
      left: tap('eth0', { netns: left.name, persistent: true }),
      right: tap('eth0', { netns: right.name, persistent: true }),
    };
    {
      await using _ = await Switch.start({ ports });
      left.address('eth0', here);
      right.address('eth0', there);
      expect(left.ping(there, 3)).toBe(3);
    }
    expect(left.exec('ip', 'link', 'show', 'eth0')).toContain('NO-CARRIER');
    await using sw = await Switch.start({ ports });
    expect(left.ping(there, 3)).toBe(3);
    await balance(sw);
  });

  test('one that is moved and renamed, as Docker does, goes on', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    const name = uniqueName('mt');
    await using sw = await Switch.start({
      ports: { left: tap(name), right: tap('eth0', { netns: right.name }) },
    });
    run('ip', 'link', 'set', name, 'down');
    await until('down', () => sw.port('left').link === 'down');
    run('ip', 'link', 'set', name, 'netns', left.name, 'name', 'net1');
    left.exec('ip', 'link', 'set', 'net1', 'up');
    left.address('net1', here);
    right.address('eth0', there);
    expect(left.ping(there, 3)).toBe(3);
    await until('up', () => sw.port('left').link === 'up');
    expect(sw.port('left').device?.name).toBe('net1');
  });

  test('its namespace goes: the port says so, and others stay', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    await using sw = await Switch.start({
      ports: {
        left: tap('eth0', { netns: left.name }),
        right: tap('eth0', { netns: right.name }),
      },
    });
    left.address('eth0', here);
    right.address('eth0', there);
    expect(left.ping(there, 1)).toBe(1);
    left.end();
    await until('gone', () => sw.port('left').link === 'down');
    expect(sw.port('left').lastError).toContain('gone');
    expect(sw.port('right').link).toBe('up');
    await sw.removePort('left');
  });

  test('what is no TAP, or held by another, is refused in words', async () => {
    const name = uniqueName('mt');
    await using one = await Switch.start({ ports: { a: tap(name) } });
    await using two = await Switch.start({});
    await expect(two.addPort('a', tap(name))).rejects.toThrow(/held by somebody else/);
    await expect(two.addPort('a', tap('lo'))).rejects.toThrow(/no TAP/);
    await expect(two.addPort('a', tap('x/y'))).rejects.toThrow(/name of an interface/);
    expect(one.port('a').link).toBe('up');
  });
});
