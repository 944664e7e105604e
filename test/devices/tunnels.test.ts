/**
 * Tunnels between devices: frames that come in by one interface leave by another in the same buffer, with the outer headers
 * put in front of them or taken off. The other end is Linux's vxlan device.
 */
import { join } from 'node:path';
import { type PortOptions, Switch } from 'memswitch';
import { afterEach, describe, expect, test } from 'vitest';
import { minded, shown } from '../interop/captures.js';
import { missing } from '../interop/peers.js';
import { endAll, until } from '../interop/processes.js';
import { folder } from '../switch/support.js';
import { lacksDpdk, lacksRoot, Namespace, uniqueName } from './support.js';

const why = lacksDpdk() ?? lacksRoot() ?? missing();
const [inner1, inner2] = ['10.79.0.1', '10.79.0.2'];
const ours = '02:76:00:00:00:79';

/** A port over an interface whose other end, or which itself, is eth0 in the namespace. */
function port(driver: string, host: Namespace): PortOptions {
  const common = { kind: 'kernel', bridge: 'blue', driver };
  if (driver === 'tap') {
    return { ...common, interface: 'eth0', netns: host.name } as PortOptions;
  }
  const outside = new Namespace();
  const name = uniqueName('mv');
  outside.exec('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'eth0', 'netns', host.name);
  host.exec('ethtool', '-K', 'eth0', 'tx', 'off');
  return { ...common, interface: name, netns: outside.name } as PortOptions;
}

afterEach(endAll);

describe.skipIf(why !== undefined)(`tunnels between devices${why ? `: ${why}` : ''}`, () => {
  test.each([
    ['tap', 'IPv4', '192.0.2.1', '192.0.2.2', 1450, {}],
    ['tap', 'IPv4, checksums by the device', '192.0.2.1', '192.0.2.2', 1450, { udpChecksum: true }],
    ['tap', 'IPv6, checksums by the device', '2001:db8::1', '2001:db8::2', 1430, {}],
    ['af_packet', 'IPv6, checksums by us', '2001:db8::1', '2001:db8::2', 1430, {}],
    ['af_xdp', 'IPv4', '192.0.2.1', '192.0.2.2', 1450, {}],
  ])(
    '%s over %s: ping, full size, TCP, and nothing that tshark minds',
    { timeout: 60_000 },
    async (driver, _, local, remote, mtu, more) => {
      const [near, far] = [new Namespace(), new Namespace()];
      const tunnel = { kind: 'vxlan', bridge: 'blue', vni: 7, local, remotes: [remote], mac: ours };
      await using sw = await Switch.start({
        ports: {
          inside: port(driver, near),
          nic: port(driver, far),
          wan: { ...tunnel, underlay: 'nic', ...more } as PortOptions,
        },
      });
      near.address('eth0', inner1);
      near.exec('ip', 'link', 'set', 'eth0', 'mtu', `${mtu}`);
      const ipv6 = local.includes(':');
      far.exec('sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=0');
      far.exec('ip', 'addr', 'add', `${remote}/${ipv6 ? 64 : 24}`, 'dev', 'eth0', 'nodad');
      far.exec('ip', 'link', 'set', 'eth0', 'up');
      const vxlan = ['id', '7', 'local', remote, 'remote', local, 'dstport', '4789', 'dev', 'eth0'];
      far.exec('ip', 'link', 'add', 'vx0', 'mtu', `${mtu}`, 'type', 'vxlan', ...vxlan);
      far.exec('ethtool', '-K', 'vx0', 'tx', 'off', 'tso', 'off', 'gso', 'off');
      far.address('vx0', inner2);
      await until('links', () => sw.ports().every(({ link }) => link === 'up'));
      await until('the other end answers', () => {
        const text = near.exec('sh', '-c', `ping -q -c 1 -W 1 ${inner2} || true`);
        return text.includes('1 received');
      });

      const file = join(folder(), 'capture.pcap');
      const capture = far.start('tcpdump', '-B', '16384', '-U', '-i', 'eth0', '-w', file);
      await until('tcpdump listens', () => capture.output.includes('listening'));
      expect(near.ping(inner2, 1000)).toBe(1000);
      expect(near.ping(inner2, 100, '-s', `${mtu - 28}`, '-M', 'do')).toBe(100);
      await capture.end('SIGINT');
      expect(shown(file, `eth.src == ${ours} && vxlan.vni == 7`).length).toBeGreaterThan(1000);
      // A frame that the capture itself has missed is no fault of the ones that are in it.
      const faults = `eth.src == ${ours} && ${minded} && !icmp.resp_not_found`;
      expect(shown(file, faults)).toEqual([]);
      const unsummed = shown(
        file,
        `eth.src == ${ours} && udp.dstport == 4789 && udp.checksum == 0`,
      );
      expect(unsummed.length > 0).toBe(!ipv6 && !('udpChecksum' in more));

      expect(await near.tcp(far, inner2)).toBeGreaterThan(0);
      await until('balance', () => {
        const { rx, tx, copies, drops } = sw.status();
        const consumed = sw.ports().reduce((sum, { consumed: its }) => sum + its, 0n);
        return rx.frames + copies === tx.frames + drops + consumed;
      });
    },
  );
});
