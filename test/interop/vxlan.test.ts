/**
 * Tunnels between the switch and ends that nobody here wrote. Inside are Linux hosts behind memif ports, outside Linux's own
 * vxlan device, and a second switch; between them an Ethernet of network namespaces.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Daemon } from './daemon.js';
import { Host, missing } from './peers.js';
import { endAll, Program, run, until } from './processes.js';
import { address4, address6, Underlay } from './underlay.js';

const why = missing();

/** Packets that came back, of `count`. */
function ping(
  from: (...command: string[]) => string,
  to: string,
  count: number,
  ...more: string[]
) {
  const text = from('ping', '-q', '-c', `${count}`, '-i', '0.002', '-W', '5', ...more, to);
  return Number(/(\d+) received/.exec(text)?.[1]);
}

const inside =
  (host: Host) =>
  (command: string, ...args: string[]) =>
    host.exec(command, ...args);
const within =
  (netns: string) =>
  (...command: string[]) =>
    run('ip', 'netns', 'exec', netns, ...command);

function expectBalance(daemon: Daemon): void {
  const { came, ended } = daemon.balance();
  expect(came).toBe(ended);
}

describe.skipIf(why !== undefined)(`tunnels by the kernel${why ? `: ${why}` : ''}`, () => {
  let underlay: Underlay;
  const daemons: Daemon[] = [];
  const hosts: Host[] = [];

  /** A switch on host `number`, with a container at port `web`, 10.77.0.`number`. */
  async function site(number: 1 | 2, tunnel: object): Promise<{ daemon: Daemon; host: Host }> {
    const netns = underlay.host(number);
    const daemon = new Daemon({
      web: {},
      wan: { kind: 'vxlan', netns, socket: undefined, ...tunnel },
    });
    daemons.push(daemon);
    await daemon.ready();
    const host = new Host(number, daemon.socket('web'));
    hosts.push(host);
    await host.attach();
    await daemon.linked('web', 'wan');
    return { daemon, host };
  }

  beforeEach(() => {
    underlay = new Underlay();
  });

  afterEach(async () => {
    await Promise.all(hosts.splice(0).map((host) => host.remove()));
    await endAll();
    await Promise.all(daemons.splice(0).map((daemon) => daemon.stop()));
    underlay.remove();
  });

  test.each([
    ['IPv4', address4, true, ''],
    ['IPv4 without UDP checksums', address4, false, 'noudpcsum'],
    ['IPv6', address6, true, ''],
    ['IPv6 without UDP checksums', address6, false, 'udp6zerocsumtx udp6zerocsumrx'],
  ])(
    'Linux over %s: ping, full-size frames, TCP',
    { timeout: 120_000 },
    async (_, address, udpChecksum, more) => {
      const linux = underlay.host(3);
      underlay.linux(linux, 5001, address(3), [address(1)], '10.77.0.3', more);
      const options = { vni: 5001, local: address(1), remotes: [address(3)], udpChecksum };
      const { daemon, host } = await site(1, options);
      expect(ping(inside(host), '10.77.0.3', 1000)).toBe(1000);
      expect(ping(inside(host), '10.77.0.3', 100, '-s', '1472', '-M', 'do')).toBe(100);
      const server = new Program('ip', ['netns', 'exec', linux, 'iperf3', '-s', '-1']);
      await until('iperf3 listens', () => within(linux)('ss', '-Hltn', 'sport = :5201') !== '');
      const result = JSON.parse(host.exec('iperf3', '-J', '-c', '10.77.0.3', '-t', '10'));
      await server.finished();
      const { bytes, bits_per_second: rate } = result.end.sum_received;
      console.log(`iperf3 to Linux's vxlan device: ${(rate / 1e6).toFixed(0)} Mbit/s of TCP`);
      expect(bytes).toBeGreaterThan(0);
      expectBalance(daemon);
      const [tunnel] = JSON.parse(daemon.command('show', 'tunnels', '--json'));
      const [remote] = tunnel.remotes;
      expect(remote).toMatchObject({
        address: address(3),
        kind: 'configured',
        state: 'up',
        macs: 1,
      });
      expect(remote.mtu).toBe(1600);
      expect(daemon.command('show', 'tunnels')).toContain(address(3));
      expect(daemon.command('show', 'macs')).toContain(address(3));
    },
  );
});
