/**
 * Tunnels over a port of the switch: it writes the outer headers, asks and answers for addresses itself. The other end is
 * Linux's vxlan device over a TAP interface, which a testpmd relays to the underlay's memif port.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { minded, shown } from './captures.js';
import { Daemon } from './daemon.js';
import { Host, missing } from './peers.js';
import { endAll, run, until } from './processes.js';
import { tcp } from './tcp.js';

const why = missing() ?? (existsSync('/usr/bin/tshark') ? undefined : 'needs /usr/bin/tshark');
const ours = '02:76:00:00:00:99';

/** The switch's address and Linux's. */
const v4 = ['10.77.0.9', '10.77.0.1'] as const;
const v6 = ['2001:db8::9', '2001:db8::1'] as const;

/** Packets that came back, of `count`. */
function ping(from: Host, to: string, count: number, ...more: string[]): number {
  const command = ['ping', '-q', '-c', `${count}`, '-i', '0.002', '-W', '2', ...more, to];
  // ping's own status is 1 when nothing came back.
  const text = from.exec('sh', '-c', `${command.join(' ')} || true`);
  return Number(/(\d+) received/.exec(text)?.[1]);
}

/** A vxlan device on the outer host, whose underlay is its TAP interface. */
function linux(host: Host, local: string, remote: string, more: string[]): void {
  if (local.includes(':')) {
    host.exec('sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=0');
    host.exec('ip', 'addr', 'add', `${local}/64`, 'dev', 'eth0', 'nodad');
  }
  const options = ['id', '5001', 'local', local, 'remote', remote, 'dstport', '4789', ...more];
  host.exec('ip', 'link', 'add', 'vx0', 'type', 'vxlan', ...options, 'dev', 'eth0');
  host.exec('ethtool', '-K', 'vx0', 'tx', 'off', 'tso', 'off', 'gso', 'off');
  host.exec('ip', 'addr', 'add', '10.88.0.1/24', 'dev', 'vx0');
  host.exec('ip', 'link', 'set', 'vx0', 'up', 'mtu', local.includes(':') ? '1430' : '1450');
}

/** Of an echo inside: request or reply, whose, which. */
const fields = ['-T', 'fields', ...['type', 'ident', 'seq'].flatMap((it) => ['-e', `icmp.${it}`])];

describe.skipIf(why !== undefined)(`tunnels by a port${why ? `: ${why}` : ''}`, () => {
  let daemon: Daemon;
  let outside: Host;
  let inside: Host;

  async function start(tunnel: object): Promise<void> {
    const wan = { kind: 'vxlan', socket: undefined, vni: 5001, underlay: 'nic', mac: ours };
    daemon = new Daemon({ wan: { ...wan, ...tunnel }, nic: {}, web: {} });
    await daemon.ready();
    outside = new Host(1, daemon.socket('nic'));
    inside = new Host(2, daemon.socket('web'));
    await Promise.all([outside.attach(), inside.attach()]);
    await daemon.linked('nic', 'web', 'wan');
    inside.exec('ip', 'addr', 'add', '10.88.0.2/24', 'dev', 'eth0');
  }

  afterEach(async () => {
    await Promise.all([outside?.remove(), inside?.remove()]);
    await endAll();
    await daemon?.stop();
  });

  test.each([
    ['IPv4', v4, 1422, {}, []],
    ['IPv4 with UDP checksums', v4, 1422, { udpChecksum: true }, ['udpcsum']],
    ['IPv6', v6, 1402, {}, []],
    ['IPv6 without', v6, 1402, { udpChecksum: false }, ['udp6zerocsumtx', 'udp6zerocsumrx']],
  ] as const)(
    'Linux over %s: ping, full size, TCP, and nothing that tshark minds',
    { timeout: 120_000 },
    async (_, [local, remote], full, options, theirs) => {
      await start({ local, remotes: [remote], ...options });
      linux(outside, remote, local, [...theirs]);
      const file = join(daemon.folder, 'capture.pcap');
      const capture = outside.start('tcpdump', '-U', '-i', 'eth0', '-w', file);
      await until('tcpdump listens', () => capture.output.includes('listening'));
      await until('the other end answers', () => ping(inside, '10.88.0.1', 1) === 1);
      expect(ping(inside, '10.88.0.1', 1000)).toBe(1000);
      expect(ping(outside, '10.88.0.2', 100, '-s', `${full}`, '-M', 'do')).toBe(100);
      await capture.end('SIGINT');
      expect(shown(file, `eth.src == ${ours} && vxlan.vni == 5001`).length).toBeGreaterThan(1000);
      expect(shown(file, `eth.src == ${ours} && ${minded}`)).toEqual([]);
      const unsummed = shown(file, `eth.src == ${ours} && udp.port == 4789 && udp.checksum == 0`);
      expect(unsummed.length > 0).toBe(!(theirs[0] === 'udpcsum' || (full === 1402 && !theirs[0])));

      // The switch's own captures of the same frames, outside and inside.
      const [outer, inner] = [join(daemon.folder, 'nic.pcapng'), join(daemon.folder, 'wan.pcapng')];
      const captures = [
        daemon.start('capture', 'nic', '-w', outer, '--count', '40', '--filter', 'udp port 4789'),
        daemon.start('capture', 'wan', '-w', inner, '--count', '40', '--filter', 'icmp'),
      ];
      const begun = (path: string) => existsSync(path) && statSync(path).size > 0;
      await until('both capture', () => [outer, inner].every(begun));
      expect(ping(inside, '10.88.0.1', 20)).toBe(20);
      await Promise.all(captures.map((one) => one.finished()));
      const echoes = (path: string) => run('tshark', '-r', path, ...fields, '-Y', 'icmp').trim();
      expect(echoes(inner).split('\n')).toHaveLength(40);
      expect(echoes(outer)).toBe(echoes(inner));
      expect(shown(outer, 'vxlan.vni == 5001')).toHaveLength(40);
      expect(shown(outer, `eth.src == ${ours} && ${minded}`)).toEqual([]);

      const bytes = await tcp({ from: inside, to: outside, address: '10.88.0.1' }, 2);
      expect(bytes).toBeGreaterThan(0);

      expect(ping(inside, '10.88.0.1', 1, '-s', '1472')).toBe(0);
      const wan = daemon.port('wan');
      expect(wan.drops.too_long).toBeGreaterThan(0);
      const [tunnel] = JSON.parse(daemon.command('show', 'tunnels', '--json'));
      expect(tunnel.remotes).toMatchObject([{ address: remote, state: 'up', mtu: 1500 }]);
    },
  );
});
