/**
 * Tunnels between the switch and ends that nobody here wrote. Inside are Linux hosts behind memif ports, outside Linux's own
 * vxlan device, and a second switch; between them an Ethernet of network namespaces.
 */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { minded, shown } from './captures.js';
import { Daemon } from './daemon.js';
import { OpenVswitch, ovsMissing } from './ovs.js';
import { Host, missing } from './peers.js';
import { endAll, Program, run, until } from './processes.js';
import { tcp } from './tcp.js';
import { address4, address6, Underlay } from './underlay.js';

const why = missing();

/** Packets that came back, of `count`. */
function ping(
  from: (...command: string[]) => string,
  to: string,
  count: number,
  ...more: string[]
) {
  const command = ['ping', '-q', '-c', `${count}`, '-i', '0.002', '-W', '2', ...more, to];
  // ping's own status is 1 when nothing came back.
  const text = from('sh', '-c', `${command.join(' ')} || true`);
  return Number(/(\d+) received/.exec(text)?.[1]);
}

/** Pings that go on until they are stopped; how many came back of those before the last that did. */
function pinging(from: Host, to: string): { stop(): Promise<[sent: number, back: number]> } {
  const program = from.start('ping', '-n', '-i', '0.01', to);
  return {
    async stop() {
      program.signal('SIGINT');
      const { output } = await program.finished();
      const back = new Set([...output.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, n]) => Number(n)));
      return [Math.max(...back), back.size];
    },
  };
}

const inside =
  (host: Host) =>
  (command: string, ...args: string[]) =>
    host.exec(command, ...args);
/** A host that is a namespace and no more. */
const hostIn = (netns: string) => ({
  exec: within(netns),
  start: (...command: string[]) => new Program('ip', ['netns', 'exec', netns, ...command]),
});
const within =
  (netns: string) =>
  (...command: string[]) =>
    run('ip', 'netns', 'exec', netns, ...command);

/** Counters are read one after the other: once nothing flows any more. */
async function balanced(daemon: Daemon): Promise<void> {
  await until('every frame is accounted for', () => {
    const { came, ended } = daemon.balance();
    return came === ended;
  });
}

describe.skipIf(why !== undefined)(`tunnels by the kernel${why ? `: ${why}` : ''}`, () => {
  let underlay: Underlay;
  const daemons: Daemon[] = [];
  const hosts: Host[] = [];

  /**
   * A switch on host `number`, with a container at port `web`, 10.77.0.`number`. Its underlay is the host's own stack, or the
   * host's interface as a port, whose address is the tunnel's then.
   */
  async function site(
    number: 1 | 2,
    tunnel: object,
    by: 'kernel' | 'port' = 'kernel',
  ): Promise<{ daemon: Daemon; host: Host }> {
    const netns = underlay.host(number);
    const wan = { kind: 'vxlan', socket: undefined, ...tunnel };
    const nic = { kind: 'kernel', driver: 'af_packet', interface: 'eth0', socket: undefined };
    if (by === 'port') {
      underlay.bare(netns);
    }
    const daemon = new Daemon(
      by === 'kernel'
        ? { web: {}, wan: { ...wan, netns } }
        : { web: {}, nic: { ...nic, netns }, wan: { ...wan, underlay: 'nic' } },
    );
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
    ['IPv4', address4, true, '', 10],
    ['IPv4 without UDP checksums', address4, false, 'noudpcsum', 2],
    ['IPv6', address6, true, '', 2],
    ['IPv6 without UDP checksums', address6, false, 'udp6zerocsumtx udp6zerocsumrx', 2],
  ])(
    'Linux over %s: ping, full-size frames, TCP',
    { timeout: 120_000 },
    async (_, address, udpChecksum, more, seconds) => {
      const linux = underlay.host(3);
      underlay.linux(linux, 5001, address(3), [address(1)], '10.77.0.3', more);
      const options = { vni: 5001, local: address(1), remotes: [address(3)], udpChecksum };
      const { daemon, host } = await site(1, options);
      expect(ping(inside(host), '10.77.0.3', 1000)).toBe(1000);
      expect(ping(inside(host), '10.77.0.3', 100, '-s', '1472', '-M', 'do')).toBe(100);
      const ends = { from: host, to: hostIn(linux), address: '10.77.0.3' };
      expect(await tcp(ends, seconds)).toBeGreaterThan(0);
      await balanced(daemon);
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

  test.each(['kernel', 'port'] as const)(
    'a full mesh of two switches and Linux, by %s',
    { timeout: 120_000 },
    async (by) => {
      const linux = underlay.host(3);
      underlay.linux(linux, 5001, address4(3), [address4(1), address4(2)], '10.77.0.3');
      const mesh = (self: number) => ({
        vni: 5001,
        local: address4(self),
        remotes: [1, 2, 3].filter((other) => other !== self).map(address4),
      });
      const one = await site(1, mesh(1), by);
      const two = await site(2, mesh(2), by);
      expect(ping(inside(one.host), '10.77.0.2', 1000)).toBe(1000);
      expect(ping(inside(one.host), '10.77.0.3', 100)).toBe(100);
      expect(ping(inside(two.host), '10.77.0.3', 100)).toBe(100);
      const behind = new Map(two.daemon.macs().map(({ mac, remote }) => [mac, remote]));
      expect(behind.get(one.host.mac)).toBe(address4(1));
      expect(behind.get(two.host.mac)).toBe(null);
      expect([...behind.values()]).toContain(address4(3));

      // All of what follows happens under traffic, to whom it concerns and to whom it does not.
      const concerned = pinging(one.host, '10.77.0.3');
      const others = [pinging(one.host, '10.77.0.2'), pinging(two.host, one.host.address)];
      const answers = () => ping(inside(one.host), '10.77.0.3', 1) === 1;

      // A cable is pulled and put back.
      underlay.cable(3, 'down');
      expect(ping(inside(one.host), '10.77.0.3', 3)).toBe(0);
      underlay.cable(3, 'up');
      await until('Linux answers after its cable', answers);

      // Remotes leave and come back on live tunnels.
      one.daemon.command('delete', 'remote', address4(3), '--port', 'wan');
      expect(ping(inside(one.host), '10.77.0.3', 3)).toBe(0);
      one.daemon.command('add', 'remote', address4(3), '--port', 'wan');
      await until('Linux answers as a remote again', answers);

      // Its VTEP moves to another address, and the station inside with it.
      for (const { daemon } of [one, two]) {
        daemon.command('add', 'remote', address4(4), '--port', 'wan');
        daemon.command('delete', 'remote', address4(3), '--port', 'wan');
      }
      const mac = within(linux)('cat', '/sys/class/net/vx0/address').trim();
      within(linux)('ip', 'link', 'del', 'vx0');
      within(linux)('ip', 'addr', 'add', `${address4(4)}/24`, 'dev', 'eth0');
      underlay.linux(linux, 5001, address4(4), [address4(1), address4(2)], '10.77.0.3');
      within(linux)('ip', 'link', 'set', 'vx0', 'address', mac);
      await until('Linux answers from its other address', answers);
      expect(one.daemon.macs().map(({ remote }) => remote)).toContain(address4(4));

      // Those that nothing happened to have lost nothing.
      for (const other of others) {
        const [sent, back] = await other.stop();
        expect(sent).toBeGreaterThan(100);
        expect(back).toBe(sent);
      }
      const [sent, back] = await concerned.stop();
      expect(back).toBeGreaterThan(0);
      expect(back).toBeLessThan(sent);
      await balanced(one.daemon);
      await balanced(two.daemon);
    },
  );

  test.skipIf(ovsMissing)(
    `Open vSwitch${ovsMissing ? `: needs ${ovsMissing}` : ''}: ping, full size`,
    {
      timeout: 120_000,
    },
    async () => {
      const netns = underlay.host(3);
      const options = { vni: 5001, local: address4(1), remotes: [address4(3)] };
      const { daemon, host } = await site(1, options);
      // A veth hands UDP checksums on unfinished; Open vSwitch looks at them.
      for (const end of [`${netns.slice(0, -1)}1`, netns]) {
        within(end)('ethtool', '-K', 'eth0', 'tx', 'off');
      }
      const ovs = new OpenVswitch(netns, daemon.folder);
      await ovs.start();
      ovs.tunnel(address4(3), address4(1), 5001, '10.77.0.3');
      await until('it answers', () => ping(inside(host), '10.77.0.3', 1) === 1);
      expect(ping(inside(host), '10.77.0.3', 1000)).toBe(1000);
      expect(ping(inside(host), '10.77.0.3', 100, '-s', '1422', '-M', 'do')).toBe(100);
      await balanced(daemon);
    },
  );

  test.each([
    ['IPv4', address4, 'ip', ['ip.ttl', 'ip.dsfield.dscp', 'ip.flags.df']],
    ['IPv6', address6, 'ipv6', ['ipv6.hlim', 'ipv6.tclass.dscp']],
  ] as const)(
    'over %s by UDP port 8472: headers as configured, and nothing that tshark minds',
    { timeout: 60_000 },
    async (_, address, layer, fields) => {
      const linux = underlay.host(3);
      underlay.linux(linux, 5001, address(3), [address(1)], '10.77.0.3', 'dstport 8472');
      const way = { vni: 5001, local: address(1), remotes: [address(3)], port: 8472 };
      const marks = { ttl: 9, dscp: 'inherit', sourcePorts: '50000-50003' };
      const { daemon, host } = await site(1, { ...way, ...marks });
      // A veth hands UDP checksums on unfinished.
      within(linux.replace(/3$/, '1'))('ethtool', '-K', 'eth0', 'tx', 'off');
      const file = join(daemon.folder, 'capture.pcap');
      const capture = hostIn(linux).start(
        'tcpdump',
        '--immediate-mode',
        '-U',
        '-i',
        'eth0',
        '-w',
        file,
      );
      await until('tcpdump listens', () => capture.output.includes('listening'));
      expect(ping(inside(host), '10.77.0.3', 20, '-Q', `${46 << 2}`)).toBe(20);
      expect(ping(inside(host), '10.77.0.3', 20, '-s', '1472', '-M', 'do')).toBe(20);
      await capture.end('SIGINT');
      const decode = ['-d', 'udp.port==8472,vxlan'];
      const ours = `${layer}.src == ${address(1)}`;
      expect(shown(file, `${ours} && ${minded}`, ...decode)).toEqual([]);
      const columns = [...fields, 'udp.srcport', 'udp.dstport'].flatMap((field) => ['-e', field]);
      const shape = ['-T', 'fields', '-E', 'occurrence=f', ...decode, ...columns];
      const flag = layer === 'ip' ? '(1|True)\\t' : '';
      for (const [dscp, which] of [
        [46, 'frame.len < 1000'],
        [0, 'frame.len > 1000'],
      ]) {
        const lines = shown(file, `${ours} && icmp && ${which}`, ...shape);
        expect(lines).toHaveLength(20);
        for (const line of lines) {
          expect(line).toMatch(new RegExp(`^9\\t${dscp}\\t${flag}5000[0-3]\\t8472$`));
        }
      }
      await balanced(daemon);
    },
  );

  test.each(['kernel', 'port'] as const)(
    'a jumbo underlay carries frames of 9,000 bytes, by %s',
    { timeout: 60_000 },
    async (by) => {
      const [near, far] = [underlay.host(1, 9000), underlay.host(3, 9000)];
      const within1 = within(near);
      const tap = { kind: 'tap', interface: 'tap0', socket: undefined, mtu: 8950 };
      const wan = { kind: 'vxlan', socket: undefined, vni: 5001, local: address4(1) };
      const way = { remotes: [address4(3)], pathMtu: 9000 };
      if (by === 'port') {
        within(far)('ip', 'link', 'del', 'eth0');
      }
      const nic = { kind: 'tap', interface: 'eth0', socket: undefined, mtu: 9000, netns: far };
      const daemon = new Daemon(
        by === 'kernel'
          ? { web: { ...tap, netns: near }, wan: { ...wan, ...way, netns: near } }
          : { web: { ...tap, netns: near }, nic, wan: { ...wan, ...way, underlay: 'nic' } },
      );
      daemons.push(daemon);
      await daemon.ready();
      if (by === 'port') {
        within(far)('ip', 'addr', 'add', `${address4(3)}/24`, 'dev', 'eth0');
        within(far)('ip', 'link', 'set', 'eth0', 'up');
      }
      underlay.linux(far, 5001, address4(3), [address4(1)], '10.77.0.3');
      within1('ip', 'addr', 'add', '10.77.0.1/24', 'dev', 'tap0');
      within1('ip', 'link', 'set', 'tap0', 'up');
      await daemon.linked('web', 'wan');
      await until('Linux answers', () => ping(within1, '10.77.0.3', 1) === 1);
      expect(ping(within1, '10.77.0.3', 50, '-s', '8922', '-M', 'do')).toBe(50);
      expect(within(far)('cat', '/sys/class/net/vx0/mtu').trim()).toBe('8950');
      const [tunnel] = JSON.parse(daemon.command('show', 'tunnels', '--json'));
      expect(tunnel.remotes).toMatchObject([{ mtu: 9000, innerMtu: 8950 }]);
      await balanced(daemon);
    },
  );

  test('who sends what is too long is told, and sends shorter packets from then on', async () => {
    const remote = { vni: 5001, local: address4(1), remotes: [address4(3)], tellTooBig: true };
    const { daemon, host } = await site(1, remote);
    host.exec('sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=0');
    host.exec('ip', 'addr', 'add', 'fd77::1/64', 'dev', 'eth0', 'nodad');
    within(underlay.host(3).replace(/3$/, '1'))('ip', 'link', 'set', 'eth0', 'mtu', '1400');
    await until('the way is known', () => {
      const [tunnel] = JSON.parse(daemon.command('show', 'tunnels', '--json'));
      return tunnel.remotes[0].innerMtu === 1350;
    });
    for (const to of ['10.77.0.3', 'fd77::3']) {
      host.exec('ip', 'neigh', 'add', to, 'lladdr', '02:00:00:00:77:99', 'dev', 'eth0');
      await until('Linux knows the way', () => {
        ping(inside(host), to, 1, '-s', '1440', '-M', 'do');
        return host.exec('ip', 'route', 'get', to).includes('mtu 1350');
      });
    }
    expect(daemon.port('wan').drops.too_long).toBeGreaterThan(0);
    await balanced(daemon);
  });

  test('what the host refuses to send is counted with its reason', async () => {
    const options = { vni: 5001, local: address4(1), remotes: [address4(9)] };
    const { daemon, host } = await site(1, options);
    const outer = within(underlay.host(3).replace(/3$/, '1'));
    host.exec('ip', 'neigh', 'add', '10.77.0.9', 'lladdr', '02:00:00:00:77:99', 'dev', 'eth0');
    const drops = () => daemon.port('wan').drops as Record<string, number>;
    const dropped = (reason: string, count = 5, size = 56) =>
      until(reason, () => {
        ping(inside(host), '10.77.0.9', count, '-W', '0.01', '-s', `${size}`);
        return (drops()[reason] ?? 0) > 0;
      });
    outer('ip', 'route', 'add', 'prohibit', `${address4(9)}/32`);
    await dropped('underlay_error');
    outer('ip', 'route', 'replace', 'unreachable', `${address4(9)}/32`);
    await dropped('unresolved');
    outer('ip', 'route', 'del', `${address4(9)}/32`);
    // Nobody answers for the address, and the kernel keeps all that waits for him: sockets fill.
    outer('sysctl', '-qw', 'net.ipv4.neigh.eth0.unres_qlen_bytes=1000000000');
    await dropped('underlay_full', 200, 60_000);
    await balanced(daemon);
  });

  test.each(['kernel', 'port'] as const)(
    'the other end is killed and started again, by %s',
    { timeout: 120_000 },
    async (by) => {
      const options = (self: number, other: number) => ({
        vni: 5001,
        local: address4(self),
        remotes: [address4(other)],
      });
      const one = await site(1, options(1, 2), by);
      const two = await site(2, options(2, 1), by);
      expect(ping(inside(one.host), '10.77.0.2', 100)).toBe(100);
      const traffic = pinging(one.host, '10.77.0.2');
      await two.daemon.restart('SIGKILL', {});
      expect(ping(inside(one.host), '10.77.0.2', 3)).toBe(0);
      // A relay of DPDK's does not attach again by itself.
      await two.host.detach();
      await two.host.attach();
      await until('it answers again', () => ping(inside(one.host), '10.77.0.2', 1) === 1);
      const [sent, back] = await traffic.stop();
      expect(back).toBeLessThan(sent);
      await balanced(one.daemon);
      await balanced(two.daemon);
    },
  );
});
