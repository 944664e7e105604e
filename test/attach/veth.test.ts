/** Ports over veth pairs, with real ping and TCP between network namespaces. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { MemifClient, type PortOptions, Switch } from 'memswitch';
import { describe, expect, onTestFinished, test } from 'vitest';
import { frame, lacksRoot, Namespace, uniqueName } from '../devices/support.js';
import { run } from '../interop/processes.js';
import { balance, folder, until } from '../switch/support.js';

const why = lacksRoot();
const [here, there] = ['10.78.0.1', '10.78.0.2'];

function veth(netns: Namespace, more: object = {}): PortOptions {
  return { kind: 'veth', bridge: 'blue', interface: 'eth0', netns: netns.name, ...more };
}

function hostOf(sw: Switch, port: string): string {
  return sw.port(port).device?.name ?? '';
}

function links(): string {
  return run('ip', '-br', 'link');
}

function addressed(left: Namespace, right: Namespace): void {
  left.address('eth0', here);
  right.address('eth0', there);
}

describe.skipIf(why !== undefined)(`veth${why === undefined ? '' : `: ${why}`}`, () => {
  test('two namespaces: ping, TCP with what the container leaves to its device, made and gone with the port', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    const mac = '02:00:00:00:78:01';
    const host = uniqueName('mv');
    await using sw = await Switch.start({
      ports: { left: veth(left, { mac, host }), right: veth(right, { mtu: 9000 }) },
    });
    expect([sw.port('left').link, sw.port('right').link]).toEqual(['up', 'up']); // at once
    expect(left.exec('ip', '-d', 'link', 'show', 'eth0')).toMatch(
      new RegExp(`mtu 1500(.|\n)*${mac}(.|\n)*veth`),
    );
    expect(right.exec('ip', 'link', 'show', 'eth0')).toContain('mtu 9000');
    expect(sw.port('left').device).toMatchObject({ mac, mtu: 1500, name: host, driver: 'veth' });
    addressed(left, right);
    expect(left.ping(there, 1000)).toBe(1000);
    expect(sw.macs({ port: 'left' }).macs.map((entry) => entry.mac)).toEqual([mac]);
    // Neighbours of IPv6 are asked for by a group's address.
    for (const [pod, address] of [
      [left, 'fd00:78::1'],
      [right, 'fd00:78::2'],
    ] as const) {
      pod.exec('sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=0');
      pod.exec('ip', 'addr', 'add', `${address}/64`, 'dev', 'eth0', 'nodad');
    }
    await until('IPv6', () => left.reaches('fd00:78::2'));
    // The container's end keeps the offloads that every veth has: the kernel does their work in front of the switch.
    expect(left.exec('ethtool', '-k', 'eth0')).toMatch(
      /tx-checksumming: on(.|\n)*tcp-segmentation-offload: on/,
    );
    expect(await left.tcp(right, there)).toBeGreaterThan(0);
    expect(await right.tcp(left, here)).toBeGreaterThan(0);
    expect(sw.port('left').drops.oversize).toBe(0n);
    await balance(sw);
    const other = hostOf(sw, 'right');
    expect(other).toMatch(/^mswv[0-9a-f]{10}$/);
    await sw.removePort('left');
    expect(left.exec('ip', '-br', 'link')).not.toContain('eth0');
    await sw.close();
    expect(links()).not.toMatch(new RegExp(`${host}|${other}`));
  });

  test('frames of 9,000 bytes, and VLAN tags, come as they were sent', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    await using sw = await Switch.start({
      ports: { left: veth(left, { mtu: 9000 }), right: veth(right, { mtu: 9000 }) },
    });
    addressed(left, right);
    expect(left.ping(there, 20, '-M', 'do', '-s', '8972')).toBe(20);
    // Where the kernel keeps a tag it is not in the frame.
    const socket = join(folder(), 'probe.sock');
    await sw.addPort('probe', { kind: 'memif', bridge: 'blue', socket });
    await using probe = await MemifClient.connect({ socket });
    const tagged = Buffer.from(frame(1, 2, 200));
    tagged.writeUInt32BE(0x8100_a005, 12);
    const script =
      'import socket, sys; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); ' +
      's.bind(("eth0", 0)); s.send(bytes.fromhex(sys.argv[1]))';
    left.exec('python3', '-c', script, tagged.toString('hex'));
    const received: Buffer[] = [];
    for await (const frames of probe.bursts()) {
      received.push(...frames.map((view) => Buffer.from(view)));
      if (received.some((it) => it.equals(tagged))) {
        break;
      }
    }
    const seen = left.start('tcpdump', '-lnec', '1', '-i', 'eth0', 'vlan', '6');
    await until('it listens', () => seen.output.includes('listening'));
    const answer = Buffer.from(frame(2, 1, 200));
    answer.writeUInt32BE(0x8100_a006, 12);
    await probe.sendAll([answer]);
    await seen.finished();
    expect(seen.output).toMatch(/vlan 6, p 5/);
    await balance(sw);
  });

  test('a persistent pair is taken up again, with its addresses; between, it has no carrier', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    const ports = {
      left: veth(left, { persistent: true }),
      right: veth(right, { persistent: true }),
    };
    {
      await using _ = await Switch.start({ ports });
      addressed(left, right);
      expect(left.ping(there, 3)).toBe(3);
    }
    expect(left.exec('ip', 'link', 'show', 'eth0')).toContain('NO-CARRIER');
    await using sw = await Switch.start({ ports });
    await until('taken up', () => left.reaches(there));
    expect(left.ping(there, 3)).toBe(3);
    await balance(sw);
  });

  test('the container’s end may be moved, renamed and set down; what goes to it then is told as dropped', async () => {
    const [left, right, elsewhere] = [new Namespace(), new Namespace(), new Namespace()];
    await using sw = await Switch.start({ ports: { left: veth(left), right: veth(right) } });
    addressed(left, right);
    expect(right.ping(here, 3)).toBe(3);
    left.exec('ip', 'link', 'set', 'eth0', 'netns', elsewhere.name, 'name', 'net1');
    await until('down', () => sw.port('left').link === 'down');
    expect(right.reaches(here)).toBe(false);
    expect(sw.port('left').drops.link_down).toBeGreaterThan(0n);
    elsewhere.address('net1', here);
    expect(right.reaches(here)).toBe(true);
    expect(right.ping(here, 20)).toBe(20);
    await until('up', () => sw.port('left').link === 'up');
    await balance(sw);
  });

  test('its namespace goes: the port says so, and others stay', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    await using sw = await Switch.start({ ports: { left: veth(left), right: veth(right) } });
    const host = hostOf(sw, 'left');
    left.end();
    await until('gone', () => sw.port('left').lastError.includes('gone'));
    expect(sw.port('right').link).toBe('up');
    await sw.removePort('left');
    expect(links()).not.toContain(host);
  });

  test('the host’s own stack neither answers nor takes what a container sends', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    await using sw = await Switch.start({ ports: { left: veth(left), right: veth(right) } });
    addressed(left, right);
    const host = hostOf(sw, 'left');
    const mac = /link\/ether (\S+)/.exec(run('ip', 'link', 'show', host))?.[1] ?? '';
    const hosts = `10.78.${1 + (process.pid % 250)}.77`;
    run('ip', 'addr', 'add', `${hosts}/32`, 'dev', 'lo');
    onTestFinished(() => {
      run('ip', 'addr', 'del', `${hosts}/32`, 'dev', 'lo');
    });
    const got: string[] = [];
    const server = createSocket('udp4', (message) => got.push(`${message}`));
    server.bind(0, hosts);
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const say = (text: string) => `echo -n ${text} > /dev/udp/${hosts}/${server.address().port}`;
    left.exec('ip', 'route', 'add', `${hosts}/32`, 'dev', 'eth0');
    expect(left.reaches(hosts)).toBe(false); // asked for by ARP
    for (const station of [mac, 'ff:ff:ff:ff:ff:ff']) {
      left.exec('ip', 'neigh', 'replace', hosts, 'lladdr', station, 'dev', 'eth0');
      left.exec('bash', '-c', say(station));
    }
    expect(left.ping(there, 3)).toBe(3); // by then they were delivered, or never
    run('bash', '-c', say('own'));
    await until('its own arrive', () => got.includes('own'));
    expect(got).toEqual(['own']);
  });

  test('a name that another interface has is refused in words, and nothing of the attempt stays', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    const host = uniqueName('mv');
    await using sw = await Switch.start({});
    left.exec('ip', 'link', 'add', 'eth0', 'type', 'bridge');
    await expect(sw.addPort('a', veth(left, { host }))).rejects.toThrow(
      new RegExp(`an interface eth0 already, and it is no veth of ${host}`),
    );
    await expect(sw.addPort('a', veth(right, { host: 'lo' }))).rejects.toThrow(/lo .* no veth/);
    await expect(sw.addPort('a', veth(right, { host: 'x'.repeat(15) }))).rejects.toThrow(
      /at most 14 characters/,
    );
    await expect(
      sw.addPort('a', { ...veth(right), netns: uniqueName('no') } as PortOptions),
    ).rejects.toThrow(/enter network namespace/);
    expect(links()).not.toContain(host);
    expect(right.exec('ip', '-br', 'link')).not.toContain('eth0');
  });
});
