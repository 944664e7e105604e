/** The CNI plugin as runtimes use it: by their library (libcni), in lists with the reference plugins, in real namespaces. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { Namespace } from '../devices/support.js';
import { endAll, Program, run, until } from '../interop/processes.js';
import { address4, Underlay } from '../interop/underlay.js';
import { root } from '../switch/support.js';
import {
  CniHost,
  type CniResult,
  lacksCni,
  nothing,
  pathOf,
  plugins,
  Runtime,
} from './cni-support.js';
import { reaches } from './support.js';

const why = lacksCni();
const attachProgram = join(root, 'build/Release/memswitch-attach');

afterEach(endAll);

/** Of the guide's example, where the network has its places: a test has its own. */
function placed(host: CniHost, conf: Record<string, unknown>): Record<string, unknown> {
  const shared = conf.sharedDir === undefined ? {} : { sharedDir: join(host.home, 'usrspcni') };
  const ipam =
    conf.ipam === undefined ? {} : { ipam: { ...Object(conf.ipam), dataDir: host.leases } };
  return { ...conf, folder: host.pods, api: host.api, ...shared, ...ipam };
}

describe.skipIf(why !== undefined)(
  `memswitch-cni in lists${why === undefined ? '' : `: ${why}`}`,
  () => {
    test.each(['tap', 'veth'])(
      'two pods, one over memif and one over the kernel (%s), and a third behind VXLAN ping each other',
      async (driver) => {
        const underlay = new Underlay();
        onTestFinished(() => underlay.remove());
        const [near, far] = [underlay.host(1), underlay.host(2)];
        underlay.linux(far, 42, address4(2), [address4(1)], '10.85.200.1');
        run('ip', '-n', far, 'addr', 'add', '10.85.200.1/16', 'dev', 'vx0');
        const tunnel = {
          kind: 'vxlan',
          bridge: 'blue',
          vni: 42,
          local: address4(1),
          remotes: [address4(2)],
          netns: near,
        };
        const host = await CniHost.start({ tunnel });
        // Two networks, of which host-local knows nothing together: each has a range of its own.
        const ipam = (kind: string) => ({
          ...Object(host.conf().ipam),
          rangeStart: kind === 'memif' ? '10.85.1.2' : '10.85.2.2',
        });
        const list = (kind: string) => [
          host.conf({
            kind,
            ...(kind === 'kernel' && { driver }),
            mtu: 1400,
            capabilities: { mac: true },
            ipam: ipam(kind),
          }),
          ...(kind === 'kernel'
            ? [{ type: 'tuning', sysctl: { 'net.ipv4.conf.net1.arp_filter': '1' } }]
            : []),
        ];
        const [one, two] = [new Namespace(), new Namespace()];
        const memif = new Runtime(host, 'blue', list('memif'));
        const kernel = new Runtime(host, 'blue-kernel', list('kernel'));
        const first = JSON.parse(memif.call('add', one.name)) as CniResult;
        const mac = '02:00:00:00:85:02';
        const second = JSON.parse(
          kernel.call('add', two.name, `CAP_ARGS={"mac":"${mac}"}`),
        ) as CniResult;
        const [here = '', there = ''] = [first, second].map(
          ({ ips }) => ips[0]?.address.split('/')[0],
        );
        expect([here, there]).toEqual(['10.85.1.2', '10.85.2.2']);
        expect(second.interfaces.at(-1)?.mac).toBe(mac);
        expect(two.exec('ip', 'addr', 'show', 'net1')).toMatch(
          new RegExp(`mtu 1400(.|\n)*${mac}(.|\n)*${there}/16`),
        );

        const [{ socket }] = (await host.get('/v1/attachments?network=blue')) as {
          socket: string;
        }[] as [{ socket: string }];
        const attach = one.start(attachProgram, socket.replace('.sock', '.env'));
        await host.linked(3);
        await until('carrier', () => one.exec('ip', 'link', 'show', 'net1').includes('LOWER_UP'));
        const everybody = async () => {
          await reaches(one, there);
          await reaches(two, here);
          await reaches(one, '10.85.200.1');
          await reaches(two, '10.85.200.1');
        };
        await everybody();
        memif.call('check', one.name);
        kernel.call('check', two.name);

        // The switch dies and comes back: neither pod is touched.
        await host.restart('SIGKILL');
        await host.linked(3);
        await until('carrier', () => one.exec('ip', 'link', 'show', 'net1').includes('LOWER_UP'));
        await everybody();
        kernel.call('check', two.name);

        two.exec('ip', 'addr', 'flush', 'dev', 'net1');
        expect(() => kernel.call('check', two.name)).toThrow(/net1 has no address/);
        expect(attach.output).not.toContain('dropped');
        memif.call('del', one.name);
        kernel.call('del', two.name);
        expect(await host.left()).toEqual(nothing);
      },
    );

    test.each(['tap', 'veth'])(
      'portmap behind it (%s) maps a port of the host, and leaves no rule of the pod’s',
      async (driver) => {
        const [node, pod, outside] = [new Namespace(), new Namespace(), new Namespace()];
        run(
          'ip',
          '-n',
          node.name,
          'link',
          'add',
          'out',
          'type',
          'veth',
          'peer',
          'eth0',
          'netns',
          outside.name,
        );
        const gateway = '10.85.255.254';
        const host = await CniHost.start({
          node: { kind: 'tap', bridge: 'blue', interface: 'pods', netns: node.name },
        });
        node.exec('ip', 'addr', 'add', `${gateway}/16`, 'dev', 'pods');
        node.exec('ip', 'link', 'set', 'pods', 'up');
        node.address('out', '192.0.2.1');
        outside.address('eth0', '192.0.2.2');
        node.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1');
        const ipam = { ...Object(host.conf().ipam), routes: [{ dst: '0.0.0.0/0', gw: gateway }] };
        const runtime = new Runtime(host, 'blue', [
          host.conf({ driver, ipam }),
          { type: 'portmap', capabilities: { portMappings: true } },
        ]);
        const rules = () => node.exec('iptables-save', '-t', 'nat');
        const portMappings = [{ hostPort: 8201, containerPort: 5201, protocol: 'tcp' }];
        const mapped = `CAP_ARGS=${JSON.stringify({ portMappings })}`;
        const { ips } = JSON.parse(runtime.callIn(node, 'add', pod.name, mapped)) as CniResult;
        const address = ips[0]?.address.split('/')[0] ?? '';
        expect(rules()).toContain(`--to-destination ${address}:5201`);
        expect(await outside.tcp(pod, '192.0.2.1', '1M', '-p', '8201')).toBeGreaterThan(0);
        // No CHECK: that of portmap 1.1.1 looks for its IPv4 rules in the table of IPv6, whatever is before it.
        runtime.callIn(node, 'del', pod.name, mapped);
        expect(rules()).not.toMatch(new RegExp(`8201|${address}`));
        expect(await host.left()).toEqual(nothing);
      },
    );

    test('bandwidth behind a TAP lets pass what asks for no limit, and refuses the others: it wants a veth pair', async () => {
      const host = await CniHost.start();
      const pod = new Namespace();
      const runtime = new Runtime(host, 'blue', [
        host.conf({ kind: 'kernel' }),
        { type: 'bandwidth', capabilities: { bandwidth: true } },
      ]);
      runtime.call('add', pod.name);
      runtime.call('del', pod.name);
      const limited = 'CAP_ARGS={"bandwidth":{"ingressRate":8000000,"ingressBurst":8000000}}';
      expect(() => runtime.call('add', pod.name, limited)).toThrow(/veth/);
      expect((await host.left()).attachments).toHaveLength(1); // what the list had made by then goes by DEL
      runtime.call('del', pod.name, limited);
      expect(await host.left()).toEqual(nothing);
      expect(pod.exec('ip', '-br', 'link')).not.toContain('net1');
      // By our own capability the port has the limit, and CHECK is content.
      const ours = host.conf({ kind: 'kernel', capabilities: { bandwidth: true } });
      const alone = new Runtime(host, 'blue-limited', [ours]);
      alone.call('add', pod.name, limited);
      expect(await host.ports()).toMatchObject([{ rateLimit: { tx: { bits: 8e6 } } }]);
      alone.call('check', pod.name, limited);
      alone.call('del', pod.name, limited);
      expect(await host.left()).toEqual(nothing);
    });

    test('bandwidth behind a veth holds both limits, and CHECK is content', async () => {
      const host = await CniHost.start();
      const [pod, other] = [new Namespace(), new Namespace()];
      const runtime = new Runtime(host, 'blue', [
        host.conf({ driver: 'veth' }),
        { type: 'bandwidth', capabilities: { bandwidth: true } },
      ]);
      const free = JSON.parse(runtime.call('add', other.name)) as CniResult;
      const bandwidth = {
        ...{ ingressRate: 8_000_000, ingressBurst: 800_000 },
        ...{ egressRate: 16_000_000, egressBurst: 800_000 },
      };
      const limited = `CAP_ARGS=${JSON.stringify({ bandwidth })}`;
      const made = JSON.parse(runtime.call('add', pod.name, limited)) as CniResult;
      const hostEnd = made.interfaces[0]?.name ?? '';
      expect(run('tc', 'qdisc', 'show', 'dev', hostEnd)).toMatch(
        /tbf .*rate 8Mbit(.|\n)*ingress ffff:/,
      );
      runtime.call('check', pod.name, limited);
      const [to = '', from = ''] = [made, free].map(({ ips }) => ips[0]?.address.split('/')[0]);
      await reaches(other, to);
      /** No more came than the limit lets pass, however slow the machine: TCP's own bytes are less than what is counted. */
      const holds = async (from: Namespace, to: Namespace, address: string, limit: number) => {
        const began = performance.now();
        const bytes = await from.tcp(to, address, `${limit / 4}`);
        const seconds = (performance.now() - began) / 1000;
        expect(8 * bytes).toBeLessThan(limit * seconds + 800_000);
        return bytes;
      };
      const passed = (device: string) =>
        Number(/tbf .*\n Sent (\d+)/.exec(run('tc', '-s', 'qdisc', 'show', 'dev', device))?.[1]);
      const inward = await holds(other, pod, to, bandwidth.ingressRate);
      expect(passed(hostEnd)).toBeGreaterThan(inward);
      // The other way by an ifb, which the plugin has made and told of last.
      const ifb = made.interfaces.at(-1)?.name ?? '';
      const outward = await holds(pod, other, from, bandwidth.egressRate);
      expect(passed(ifb)).toBeGreaterThan(outward);
      // What takes its place is noticed.
      pod.exec('ip', 'link', 'del', 'net1');
      expect(() => runtime.call('check', pod.name, limited)).toThrow(/missing|gone/);
      for (const one of [pod, other]) {
        runtime.call('del', one.name, ...(one === pod ? [limited] : []));
      }
      expect(await host.left()).toEqual(nothing);
      expect(run('ip', '-br', 'link')).not.toMatch(new RegExp(`${hostEnd}|${ifb}`));
    });

    test('CHECK of a veth: what has another’s end, or whose host end is another’s, is not as it was made', async () => {
      const host = await CniHost.start();
      const pod = new Namespace();
      const call = { container: 'twin', netns: pathOf(pod) };
      const conf = host.conf({ driver: 'veth' });
      const { json } = await host.plugin('ADD', conf, call);
      const later = { ...conf, prevResult: json };
      expect((await host.plugin('CHECK', later, call)).json).toEqual({});
      const { interfaces, ips } = json as unknown as CniResult;
      const forgotten = { ...conf, prevResult: { ...json, interfaces: interfaces.slice(1) } };
      expect((await host.plugin('CHECK', forgotten, call)).json).toMatchObject({
        code: 101,
        msg: expect.stringMatching(/prevResult has no interface mswv/),
      });
      const mac = interfaces[1]?.mac ?? '';
      // A pair of the pod's own, of the same name, address and MAC.
      pod.exec('ip', 'link', 'set', 'net1', 'down');
      pod.exec('ip', 'link', 'set', 'net1', 'name', 'old');
      pod.exec('ip', 'link', 'add', 'net1', 'type', 'veth', 'peer', 'name', 'net2');
      pod.exec('ip', 'link', 'set', 'net1', 'address', mac, 'up');
      pod.exec('ip', 'addr', 'add', ips[0]?.address ?? '', 'dev', 'net1');
      expect((await host.plugin('CHECK', later, call)).json).toMatchObject({
        code: 101,
        msg: expect.stringMatching(/net1 is no veth of mswv/),
      });
      expect((await host.plugin('DEL', later, call)).status).toBe(0);
      expect(await host.left()).toEqual(nothing);
      expect(pod.exec('ip', '-br', 'link')).not.toContain('old');
    });

    test('beside another network of the pod, as Multus has it: the guide’s definitions', async () => {
      const guide = readFileSync(join(root, 'docs/containers.md'), 'utf8');
      const [, yaml = ''] =
        /```yaml\n(apiVersion: k8s\.cni\.cncf\.io[\s\S]*?)```/.exec(guide) ?? [];
      const definitions = parseAllDocuments(yaml).map((document) => {
        expect(document.errors).toEqual([]);
        return document.toJS() as {
          kind: string;
          metadata: { name: string };
          spec: { config: string };
        };
      });
      expect(definitions.length).toBeGreaterThan(1);
      const host = await CniHost.start();
      const pod = new Namespace();
      const ipam = { type: 'host-local', dataDir: host.leases, subnet: '10.91.0.0/24' };
      const cluster = new Runtime(host, 'cluster', [{ type: 'ptp', ipam }]);
      // ptp turns forwarding on: in a namespace of its own it is nobody's.
      const node = new Namespace();
      cluster.callIn(node, 'add', pod.name, 'CNI_IFNAME=eth0');
      for (const { kind, metadata, spec } of definitions) {
        expect(kind).toBe('NetworkAttachmentDefinition');
        // What Multus adds: the capabilities that are declared, and where to write of the device.
        const info = join(host.home, 'info', metadata.name);
        const conf = placed(host, JSON.parse(spec.config));
        expect([conf.name, conf.type]).toEqual([metadata.name, 'memswitch-cni']);
        const runtime = new Runtime(
          host,
          metadata.name,
          [{ ...conf, capabilities: { ...Object(conf.capabilities), CNIDeviceInfoFile: true } }],
          String(conf.cniVersion),
        );
        const asked = { mac: '02:00:00:00:56:01', CNIDeviceInfoFile: info };
        const capabilities = `CAP_ARGS=${JSON.stringify(asked)}`;
        const args = 'CNI_ARGS=IgnoreUnknown=true;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web';
        const made = JSON.parse(
          runtime.callIn(node, 'add', pod.name, capabilities, args),
        ) as CniResult;
        const isAsked = Object(conf.capabilities).mac === true;
        expect(made.interfaces[0]?.mac === asked.mac).toBe(isAsked);
        const [attachment] = (await host.get(`/v1/attachments?network=${metadata.name}`)) as {
          kind: string;
          socket: string;
        }[];
        expect(attachment?.kind).toBe('memif');
        const { memif } = JSON.parse(readFileSync(info, 'utf8'));
        expect(memif).toMatchObject({ role: 'slave', path: attachment?.socket });
        runtime.callIn(node, 'del', pod.name, capabilities, args);
      }
      expect(pod.exec('ip', 'address', 'show', 'eth0')).toContain('10.91.0.2');
      cluster.callIn(node, 'del', pod.name, 'CNI_IFNAME=eth0');
      expect(await host.left()).toEqual(nothing);
    });

    test.each(['tap', 'veth'])(
      'tuning, sbr and firewall behind it (%s): CHECK holds what they made of it',
      async (driver) => {
        const host = await CniHost.start();
        const [node, pod] = [new Namespace(), new Namespace()];
        const mac = '02:00:00:00:44:44';
        const runtime = new Runtime(host, 'blue', [
          host.conf({ driver }),
          { type: 'tuning', mac, mtu: 1400 },
          { type: 'sbr' },
          { type: 'firewall', backend: 'iptables' },
        ]);
        const made = JSON.parse(runtime.callIn(node, 'add', pod.name)) as CniResult;
        expect(made.interfaces.at(-1)?.mac).toBe(mac);
        runtime.callIn(node, 'check', pod.name);
        await host.restart('SIGKILL');
        runtime.callIn(node, 'check', pod.name);
        expect(pod.exec('ip', 'link', 'show', 'net1')).toContain('mtu 1400');
        pod.exec('ip', 'link', 'set', 'net1', 'address', '02:00:00:00:44:45');
        expect(() => runtime.callIn(node, 'check', pod.name)).toThrow(
          /44:45, not 02:00:00:00:44:44/,
        );
        runtime.callIn(node, 'del', pod.name);
        expect(await host.left()).toEqual(nothing);
      },
    );

    test('addresses by DHCP, asked for through the interface, and given back', async () => {
      const [pod, server] = [new Namespace(), new Namespace()];
      const host = await CniHost.start({
        lan: {
          kind: 'tap',
          bridge: 'blue',
          interface: 'lan',
          netns: server.name,
          persistent: true,
        },
      });
      server.address('lan', '10.93.0.1');
      const conf = join(host.home, 'udhcpd.conf');
      const leases = join(host.home, 'udhcpd.leases');
      writeFileSync(leases, '');
      const range = 'start 10.93.0.10\nend 10.93.0.10\ninterface lan\nmin_lease 60\n';
      const option = 'option subnet 255.255.255.0\noption router 10.93.0.1\noption lease 600\n';
      writeFileSync(conf, `${range}${option}lease_file ${leases}\npidfile ${conf}.pid\n`);
      const udhcpd = server.start('busybox', 'udhcpd', '-f', conf);
      const daemonSocketPath = join(host.home, 'dhcp.sock');
      const client = new Program(join(plugins, 'dhcp'), [
        'daemon',
        '-socketpath',
        daemonSocketPath,
      ]);
      await until('both serve', () => existsSync(daemonSocketPath) && udhcpd.running);

      const ipam = { type: 'dhcp', daemonSocketPath };
      const runtime = new Runtime(host, 'blue', [host.conf({ driver: 'veth', ipam })]);
      const made = JSON.parse(runtime.call('add', pod.name)) as CniResult;
      expect(made.ips).toMatchObject([{ address: '10.93.0.10/24', gateway: '10.93.0.1' }]);
      expect(pod.exec('ip', 'addr', 'show', 'net1')).toContain('10.93.0.10/24');
      await reaches(pod, '10.93.0.1');
      runtime.call('check', pod.name);
      // The client holds the lease by the interface, which outlives the switch.
      const index = () => pod.exec('cat', '/sys/class/net/net1/ifindex');
      const before = index();
      await host.restart('SIGKILL');
      await reaches(pod, '10.93.0.1');
      expect([index(), client.running]).toEqual([before, true]);
      runtime.call('del', pod.name);
      expect(await host.left()).toEqual(nothing);
      // The only address of the range is free again.
      runtime.call('add', pod.name, 'CNI_IFNAME=net2');
      expect(pod.exec('ip', 'addr', 'show', 'net2')).toContain('10.93.0.10/24');
      runtime.call('del', pod.name, 'CNI_IFNAME=net2');
      expect(await host.left()).toEqual(nothing);
    });

    test('addresses of another IPAM plugin: static, with what the runtime asks for', async () => {
      const host = await CniHost.start();
      const pod = new Namespace();
      const call = { container: 'fixed', netns: pathOf(pod) };
      const addresses = [{ address: '10.92.0.5/24', gateway: '10.92.0.1' }];
      const routes = [{ dst: '0.0.0.0/0' }];
      const conf = host.conf({ kind: 'kernel', ipam: { type: 'static', addresses, routes } });
      const { json } = await host.plugin('ADD', conf, call);
      expect(json).toMatchObject({ ips: [{ address: '10.92.0.5/24', gateway: '10.92.0.1' }] });
      expect(pod.exec('ip', 'route')).toContain('default via 10.92.0.1 dev net1');
      expect((await host.plugin('CHECK', { ...conf, prevResult: json }, call)).json).toEqual({});
      expect((await host.plugin('DEL', conf, call)).status).toBe(0);
      const asked = { ...conf, runtimeConfig: { ips: ['10.92.0.9/24'] } };
      expect((await host.plugin('ADD', asked, call)).json).toMatchObject({
        ips: [{ address: '10.92.0.9/24' }],
      });
      expect((await host.plugin('DEL', asked, call)).status).toBe(0);
      expect(await host.left()).toEqual(nothing);
    });
  },
);
