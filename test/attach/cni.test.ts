/** The CNI plugin: as runtimes start it, by their library, with the reference plugins beside it, in real namespaces. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { Namespace } from '../devices/support.js';
import { endAll, run, until } from '../interop/processes.js';
import { address4, Underlay } from '../interop/underlay.js';
import { folder, root } from '../switch/support.js';
import { schemas } from './cni-schema.js';
import { CniHost, lacksCni, nothing, plugin, plugins, Runtime } from './cni-support.js';
import { reaches } from './support.js';

const why = lacksCni();
const attachProgram = join(root, 'build/Release/memswitch-attach');

afterEach(endAll);

interface Result {
  interfaces: { name: string; mac: string; mtu: number; socketPath: string; sandbox: string }[];
  ips: { address: string; interface: number }[];
}

function path(pod: Namespace): string {
  return `/run/netns/${pod.name}`;
}

describe.skipIf(why !== undefined)(`memswitch-cni${why === undefined ? '' : `: ${why}`}`, () => {
  test('is one file that needs nothing of its host, and is started in milliseconds', () => {
    const elsewhere = folder();
    copyFileSync(plugin, join(elsewhere, 'memswitch-cni'));
    const version = run('env', 'CNI_COMMAND=VERSION', 'chroot', elsewhere, '/memswitch-cni');
    expect(JSON.parse(version)).toEqual({
      cniVersion: '1.1.0',
      supportedVersions: Object.keys(schemas),
    });
    // CPU time, which a busy machine does not stretch as it does the 150 ms that a start may take; Node's alone is 45 ms.
    const starts = 20;
    const loop = `for i in {1..${starts}}; do CNI_COMMAND=VERSION ${plugin} > /dev/null; done < /dev/null`;
    const [, user, system] =
      /\n0m([\d.]+)s 0m([\d.]+)s\n$/.exec(run('bash', '-c', `${loop}; times`)) ?? [];
    expect((Number(user) + Number(system)) / starts).toBeLessThan(0.02);
  });

  test.each(Object.keys(schemas))(
    'results of version %s are as it has them',
    async (cniVersion) => {
      const host = await CniHost.start();
      const pod = new Namespace();
      const ipam = { ...Object(host.conf().ipam), routes: [{ dst: '0.0.0.0/0' }] };
      const validate = new Ajv({ strict: false }).compile(schemas[cniVersion] as object);
      for (const kind of ['memif', 'kernel']) {
        const conf = host.conf({ cniVersion, kind, ipam });
        const call = { container: 'c0ffee', netns: path(pod) };
        const { status, json } = await host.plugin('ADD', conf, call);
        expect([status, json]).toEqual([0, expect.anything()]);
        expect([validate(json), validate.errors]).toEqual([true, null]);
        const { interfaces, ips } = json as unknown as Result;
        expect([interfaces[0]?.name, ips[0]?.interface]).toEqual(['net1', 0]);
        const socket = join(host.pods, 'c0ffee/net1.sock');
        const isTold = kind === 'memif' && cniVersion === '1.1.0';
        expect(interfaces[0]?.socketPath).toBe(isTold ? socket : undefined);
        expect((await host.plugin('ADD', conf, call)).json).toEqual(json); // again
        const later = { ...conf, prevResult: json };
        if (cniVersion >= '0.4.0') {
          expect((await host.plugin('CHECK', later, call)).json).toEqual({});
        }
        for (const netns of [path(pod), '']) {
          const end = await host.plugin('DEL', later, { ...call, netns });
          expect([end.status, end.json]).toEqual([0, {}]);
        }
        expect(await host.left()).toEqual(nothing);
        expect(pod.exec('ip', '-br', 'link')).not.toContain('net1');
      }
    },
  );

  test('two pods, one over memif and one over the kernel, and a third behind VXLAN ping each other', async () => {
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
      host.conf({ kind, mtu: 1400, capabilities: { mac: true }, ipam: ipam(kind) }),
      ...(kind === 'kernel'
        ? [{ type: 'tuning', sysctl: { 'net.ipv4.conf.net1.arp_filter': '1' } }]
        : []),
    ];
    const [one, two] = [new Namespace(), new Namespace()];
    const memif = new Runtime(host, 'blue', list('memif'));
    const kernel = new Runtime(host, 'blue-kernel', list('kernel'));
    const first = JSON.parse(memif.call('add', one.name)) as Result;
    const mac = '02:00:00:00:85:02';
    const second = JSON.parse(kernel.call('add', two.name, `CAP_ARGS={"mac":"${mac}"}`)) as Result;
    const [here = '', there = ''] = [first, second].map(({ ips }) => ips[0]?.address.split('/')[0]);
    expect([here, there]).toEqual(['10.85.1.2', '10.85.2.2']);
    expect(second.interfaces[0]?.mac).toBe(mac);
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
  });

  test('the socket is the pod’s alone, with a secret of its own', async () => {
    const host = await CniHost.start();
    const pod = new Namespace();
    const uid = '1b2c3d4e-0000-4000-8000-000000000001';
    const conf = host.conf({
      owner: 1234,
      group: 2345,
      cniVersion: '1.1.0',
      runtimeConfig: {
        CNIDeviceInfoFile: join(host.home, 'info/x.json'),
        mac: '02:00:00:00:00:99',
      },
    });
    const args = `IgnoreUnknown=1;K8S_POD_NAME=p;K8S_POD_UID=${uid}`;
    const add = await host.plugin('ADD', conf, { container: 'a1', netns: path(pod), args });
    const { interfaces } = add.json as unknown as Result;
    const socket = join(host.pods, uid, 'net1.sock');
    expect(interfaces).toEqual([
      { name: 'net1', mac: '02:00:00:00:00:99', mtu: 1500, sandbox: path(pod), socketPath: socket },
    ]);
    const info = JSON.parse(readFileSync(join(host.home, 'info/x.json'), 'utf8'));
    expect(info).toEqual({
      version: '1.1.0',
      type: 'memif',
      memif: { role: 'slave', path: socket, mode: 'ethernet' },
    });
    const modes = [join(host.pods, uid), socket, join(host.pods, uid, 'net1.env')].map((it) => {
      const { uid: owner, gid, mode } = statSync(it);
      return [owner, gid, (mode & 0o777).toString(8)];
    });
    expect(modes).toEqual([
      [1234, 2345, '750'],
      [1234, 2345, '660'],
      [1234, 2345, '440'],
    ]);
    const file = readFileSync(join(host.pods, uid, 'net1.env'), 'utf8');
    expect(file).toMatch(
      /^MEMIF_SOCKET=net1.sock\nMEMIF_SECRET=[\w-]{22}\nMEMIF_INTERFACE=net1\nMEMIF_MAC=02:00:00:00:00:99\nMEMIF_MTU=1500\nMEMIF_IP=10\.85\.0\.2\/16\n/,
    );
    expect(JSON.stringify(await host.get('/v1/attachments'))).not.toContain(
      /SECRET=(.*)/.exec(file)?.[1],
    );
    expect((await host.plugin('DEL', conf, { container: 'a1', args })).status).toBe(0);
    expect([existsSync(join(host.home, 'info/x.json')), await host.left()]).toEqual([
      false,
      nothing,
    ]);
  });

  test('a network of the userspace plugin works with its type changed', async () => {
    const host = await CniHost.start();
    const sharedDir = join(host.home, 'usrspcni');
    const conf = {
      ...host.conf({ cniVersion: '0.3.1', bridge: undefined, folder: undefined, sharedDir }),
      host: {
        engine: 'vpp',
        iftype: 'memif',
        netType: 'bridge',
        memif: { role: 'master', mode: 'ethernet' },
        bridge: { bridgeName: 'br4' },
      },
      container: {
        engine: 'vpp',
        iftype: 'memif',
        netType: 'interface',
        memif: { role: 'slave', mode: 'ethernet' },
      },
    };
    const pod = new Namespace();
    const call = { container: '0123456789abcdef', netns: path(pod) };
    expect((await host.plugin('ADD', conf, call)).status).toBe(0);
    const socket = join(sharedDir, 'memif-0123456789ab-net1.sock');
    expect(await host.get('/v1/attachments')).toMatchObject([
      { bridge: 'br4', socket, kind: 'memif' },
    ]);
    expect(existsSync(socket)).toBe(true);
    expect((await host.plugin('DEL', conf, call)).status).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  test('what runtimes ask for by capability: mac, ips, bandwidth; ports belong to portmap', async () => {
    const host = await CniHost.start();
    const pod = new Namespace();
    const call = { container: 'able', netns: path(pod) };
    const runtimeConfig = {
      Mac: '02:00:00:00:00:77',
      ips: ['10.90.0.7/24', 'fd00:90::7/64'],
      bandwidth: { ingressRate: 8_000_000, ingressBurst: 1_600_000, EgressRate: '16000000' },
    };
    const conf = host.conf({ kind: 'kernel', ipam: undefined, runtimeConfig, mode: 'vepa' });
    const { json } = await host.plugin('ADD', conf, call);
    expect(json).toMatchObject({
      interfaces: [{ mac: '02:00:00:00:00:77' }],
      ips: [{ address: '10.90.0.7/24' }, { address: 'fd00:90::7/64' }],
    });
    expect(pod.exec('ip', 'address', 'show', 'net1')).toMatch(/10\.90\.0\.7\/24/);
    expect(await host.ports()).toMatchObject([
      { vepa: true, rateLimit: { rx: { bits: 16e6, burst: 100 }, tx: { bits: 8e6, burst: 200 } } },
    ]);
    expect((await host.plugin('CHECK', { ...conf, prevResult: json }, call)).json).toEqual({});
    expect((await host.plugin('DEL', conf, call)).status).toBe(0);
    const PortMappings = [{ HostPort: 80, ContainerPort: 80, Protocol: 'tcp' }];
    const refused = await host.plugin('ADD', host.conf({ runtimeConfig: { PortMappings } }), call);
    expect([refused.json.code, refused.json.msg]).toEqual([
      2,
      'portMappings are not supported; chain the plugin portmap behind it, and declare the capability there',
    ]);
    const none = host.conf({ runtimeConfig: { portMappings: [] } });
    expect((await host.plugin('ADD', none, call)).status).toBe(0);
    expect((await host.plugin('DEL', none, call)).status).toBe(0);
    expect(await host.left()).toEqual(nothing);
  });

  test('mode passthru: the bridge is one container’s alone', async () => {
    const host = await CniHost.start();
    const pod = new Namespace();
    const [one, two] = ['one', 'two'].map((container) => ({ container, netns: path(pod) }));
    const alone = host.conf({ mode: 'passthru' });
    expect((await host.plugin('ADD', alone, one)).status).toBe(0);
    for (const conf of [host.conf(), alone]) {
      const { json } = await host.plugin('ADD', conf, two);
      expect([json.code, json.msg]).toEqual([
        100,
        expect.stringMatching(/bridge blue has .*passthru/),
      ]);
    }
    expect((await host.plugin('DEL', alone, one)).status).toBe(0);
    expect((await host.plugin('ADD', host.conf(), two)).status).toBe(0);
    expect((await host.plugin('ADD', alone, one)).status).toBe(1);
    expect((await host.plugin('DEL', host.conf(), two)).status).toBe(0);
    expect(await host.left()).toEqual(nothing);
  });

  test('100 at once, and the garbage collector takes what no runtime knows', {
    timeout: 120_000,
  }, async () => {
    const host = await CniHost.start();
    const pod = new Namespace();
    const conf = host.conf();
    const containers = Array.from({ length: 100 }, (_, i) => `crowd-${i}`);
    const answers = await Promise.all(
      containers.map((container) => host.plugin('ADD', conf, { container, netns: path(pod) })),
    );
    expect(answers.filter(({ status }) => status !== 0)).toEqual([]);
    const addresses = answers.map(({ json }) => (json as unknown as Result).ips[0]?.address);
    expect(new Set(addresses).size).toBe(100);
    expect((await host.ports()).length).toBe(100);
    const valid = [{ containerID: 'crowd-7', ifname: 'net1' }];
    const gc = await host.plugin('GC', {
      ...conf,
      cniVersion: '1.1.0',
      'cni.dev/valid-attachments': valid,
    });
    expect(gc).toEqual({ status: 0, json: {}, stderr: '' });
    expect((await host.left()).leases).toHaveLength(1);
    expect(
      (await host.plugin('CHECK', conf, { container: 'crowd-7', netns: path(pod) })).status,
    ).toBe(0);
    expect((await host.plugin('DEL', conf, { container: 'crowd-7' })).status).toBe(0);
    expect(await host.left()).toEqual(nothing);
  });

  const cycles = Number(process.env.MEMSWITCH_CNI_CYCLES ?? 20);
  test(`${cycles} times there and away leave nothing`, {
    timeout: 60_000 + 2_000 * cycles,
  }, async () => {
    const host = await CniHost.start();
    const pod = new Namespace();
    const files = () => run('ls', `/proc/${host.daemon.pid}/fd`).split('\n').length;
    /** So many of both kinds, one after the other, of a container of its own. */
    const lane = async (name: string, times: number) => {
      const call = { container: `cycle-${name}`, netns: path(pod), interface: name };
      for (let i = 0; i < times; ++i) {
        const conf = host.conf({ kind: i % 2 ? 'kernel' : 'memif' });
        expect((await host.plugin('ADD', conf, call)).status).toBe(0);
        expect((await host.plugin('DEL', conf, call)).status).toBe(0);
      }
    };
    const lanes = ['a', 'b', 'c', 'd'].map((name) => `lane-${name}`);
    await Promise.all(lanes.map((name) => lane(name, 2)));
    const before = files();
    await Promise.all(lanes.map((name) => lane(name, cycles / lanes.length)));
    expect(await host.left()).toEqual(nothing);
    expect(pod.exec('ip', '-br', 'link')).not.toMatch(/lane|msw/);
    await until('no descriptor more than before', () => files() <= before);
  });

  describe('a death at any step', () => {
    /** An IPAM plugin that ends its caller at a moment of ADD. */
    function deadly(host: CniHost, moment: string): string {
      const bin = join(host.home, 'deadly');
      mkdirSync(bin);
      const real = `${plugins}/host-local`;
      // Nobody gives an address after the death of the one who asked 'before' it: the script ends too.
      const kill = '[ "$CNI_COMMAND" = ADD ] && kill -9 $PPID && exit';
      const script = moment === 'before' ? `${kill}; exec ${real}` : `${real}; ${kill}`;
      writeFileSync(join(bin, 'host-local'), `#!/bin/sh\n${script}\nexit 0\n`);
      chmodSync(join(bin, 'host-local'), 0o755);
      return bin;
    }

    test.each(['before', 'after'])('of the plugin, %s the address was given', async (moment) => {
      const host = await CniHost.start();
      const pod = new Namespace();
      const conf = host.conf({ kind: 'kernel' });
      const call = { container: 'victim', netns: path(pod), path: deadly(host, moment) };
      expect((await host.plugin('ADD', conf, call)).status).toBeNull();
      const left = await host.left();
      expect(left.attachments).toHaveLength(1);
      expect(left.leases).toHaveLength(moment === 'after' ? 1 : 0);
      await host.restart('SIGKILL');
      const check = await host.plugin('CHECK', conf, call);
      expect([check.status, check.json.code]).toEqual([1, 3]);
      // The attempt is repeated, or its remains are collected.
      expect((await host.plugin('GC', { ...conf, cniVersion: '1.1.0' })).status).toBe(0);
      expect(await host.left()).toEqual(nothing);
      expect((await host.plugin('ADD', conf, { ...call, path: plugins })).status).toBe(0);
      expect((await host.plugin('DEL', conf, { ...call, path: plugins })).status).toBe(0);
      expect(await host.left()).toEqual(nothing);
    });

    test('of the switch, and of the namespace meanwhile', async () => {
      const host = await CniHost.start();
      const pod = new Namespace();
      const conf = host.conf({ kind: 'kernel' });
      const call = { container: 'orphan', netns: path(pod) };
      expect((await host.plugin('ADD', conf, call)).status).toBe(0);
      await host.daemon.end('SIGKILL');
      const dead = await host.plugin('DEL', conf, call);
      expect([dead.status, dead.json.code]).toEqual([1, 11]);
      pod.end();
      await host.run();
      expect(await host.get('/v1/attachments')).toMatchObject([{ state: 'failed' }]);
      expect((await host.plugin('DEL', conf, call)).status).toBe(0);
      expect(await host.left()).toEqual(nothing);
    });

    test('a damaged record stops nobody', async () => {
      const host = await CniHost.start();
      const pod = new Namespace();
      const call = { container: 'fine', netns: path(pod) };
      expect((await host.plugin('ADD', host.conf(), call)).status).toBe(0);
      writeFileSync(join(`${host.api}.state`, 'attachments', 'cni-x.json'), '{ "half');
      await host.restart('SIGTERM');
      expect((await host.plugin('CHECK', host.conf(), call)).status).toBe(0);
      expect(host.daemon.output).toMatch(/cni-x.json is damaged/);
    });
  });

  test('failed addresses undo the attachment', async () => {
    const host = await CniHost.start();
    const pod = new Namespace();
    const ipam = {
      type: 'host-local',
      dataDir: host.leases,
      subnet: '10.86.0.0/30',
      rangeStart: '10.86.0.2',
      rangeEnd: '10.86.0.2',
    };
    const [one, two] = ['one', 'two'].map((container) => ({ container, netns: path(pod) }));
    expect((await host.plugin('ADD', host.conf({ ipam }), one)).status).toBe(0);
    const full = await host.plugin('ADD', host.conf({ ipam }), two);
    expect(full.json.msg).toMatch(/IPAM plugin host-local: .*no IP addresses available/);
    expect((await host.left()).attachments).toHaveLength(1);
    // An interface that is there already: the address goes back, too.
    const twin = await host.plugin('ADD', host.conf({ kind: 'kernel' }), {
      container: 'three',
      netns: path(pod),
      interface: 'lo',
    });
    expect([twin.status, twin.json.msg]).toEqual([1, expect.stringMatching(/lo.*no TAP/)]);
    expect((await host.left()).leases).toHaveLength(1);
  });

  test('STATUS, VERSION, and mistakes in words', async () => {
    const host = await CniHost.start();
    const conf = host.conf({ cniVersion: '1.1.0' });
    const netns = '/run/netns/none';
    expect((await host.plugin('STATUS', conf)).status).toBe(0);
    expect(
      (await host.plugin('VERSION', { cniVersion: '1.0.0' })).json.supportedVersions,
    ).toContain('1.1.0');
    const call = { container: 'x', netns };
    const cases: [string, object | string, object, number, RegExp][] = [
      ['ADD', '{', call, 6, /no JSON/],
      ['ADD', { ...conf, cniVersion: '9.0.0' }, call, 1, /9\.0\.0 is none of/],
      ['ADD', conf, { netns }, 4, /CNI_CONTAINERID must be set/],
      ['ADD', conf, { ...call, interface: '../x' }, 4, /no name of an interface/],
      ['ADD', conf, { ...call, container: '../x' }, 4, /CNI_CONTAINERID: no id/],
      ['NONSENSE', conf, call, 4, /unknown command "NONSENSE"/],
      ['ADD', { ...conf, kind: 'tap' }, call, 7, /kind: must be one of memif, kernel, vf, got tap/],
      ['ADD', { ...conf, host: { iftype: 'vhostuser' } }, call, 2, /vhostuser is not supported/],
      ['ADD', { ...conf, host: { bridge: { vlanId: 5 } } }, call, 2, /vlanId is not supported/],
      [
        'ADD',
        { ...conf, folder: `/${'x'.repeat(100)}` },
        call,
        7,
        /at most 107 bytes; name a shorter/,
      ],
      ['ADD', { ...conf, ipam: { type: 'nope' } }, call, 7, /no IPAM plugin nope in/],
      ['ADD', { ...conf, kind: 'kernel' }, call, 100, /enter network namespace/],
      ['ADD', { ...conf, queues: 4, ringSize: 1000 }, call, 7, /ringSize: must be a power of two/],
      ['ADD', { ...conf, api: '/nowhere.sock' }, call, 11, /no memswitch answers at \/nowhere/],
      ['STATUS', { ...conf, api: '/nowhere.sock' }, {}, 50, /no memswitch answers/],
      ['CHECK', conf, call, 3, /x has no interface net1 of network blue/],
    ];
    for (const [command, input, how, code, words] of cases) {
      const { status, json } = await host.plugin(command, input, how);
      expect([status, json.code, json.msg]).toEqual([1, code, expect.stringMatching(words)]);
    }
    expect(await host.left()).toEqual(nothing);
  });
});
