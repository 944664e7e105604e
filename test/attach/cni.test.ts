/** The CNI plugin: what it answers to each command, in each version, and what it makes. */
import { copyFileSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { MemifClient } from 'memswitch';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { readAttachFile } from '../../switch/attach/attach-file.js';
import { Namespace } from '../devices/support.js';
import { endAll, run, until } from '../interop/processes.js';
import { folder } from '../switch/support.js';
import { schemas } from './cni-schema.js';
import { CniHost, type CniResult, lacksCni, nothing, pathOf, plugin } from './cni-support.js';

const why = lacksCni();

afterEach(endAll);

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
      for (const form of [{ kind: 'memif' }, { kind: 'kernel' }, { driver: 'veth' }]) {
        const conf = host.conf({ cniVersion, ...form, ipam });
        const call = { container: 'c0ffee', netns: pathOf(pod) };
        const { status, json } = await host.plugin('ADD', conf, call);
        expect([status, json]).toEqual([0, expect.anything()]);
        expect([validate(json), validate.errors]).toEqual([true, null]);
        const { interfaces, ips } = json as unknown as CniResult;
        // Of a pair the host's end is told first, without a sandbox.
        const ends = [...('driver' in form ? [/^mswv[0-9a-f]{10}$/] : []), /^net1$/];
        expect(interfaces.map(({ name }) => name)).toEqual(
          ends.map((it) => expect.stringMatching(it)),
        );
        expect(interfaces.map(({ sandbox }) => sandbox).filter(Boolean)).toEqual([pathOf(pod)]);
        expect(ips[0]?.interface).toBe(ends.length - 1);
        const socket = join(host.pods, 'c0ffee/net1.sock');
        const isTold = 'kind' in form && form.kind === 'memif' && cniVersion === '1.1.0';
        expect(interfaces[0]?.socketPath).toBe(isTold ? socket : undefined);
        expect((await host.plugin('ADD', conf, call)).json).toEqual(json); // again
        const later = { ...conf, prevResult: json };
        if (cniVersion >= '0.4.0') {
          expect((await host.plugin('CHECK', later, call)).json).toEqual({});
        }
        for (const netns of [pathOf(pod), '']) {
          const end = await host.plugin('DEL', later, { ...call, netns });
          expect([end.status, end.json]).toEqual([0, {}]);
        }
        expect(await host.left()).toEqual(nothing);
        expect(pod.exec('ip', '-br', 'link')).not.toContain('net1');
      }
    },
  );

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
    const add = await host.plugin('ADD', conf, { container: 'a1', netns: pathOf(pod), args });
    const { interfaces } = add.json as unknown as CniResult;
    const socket = join(host.pods, uid, 'net1.sock');
    expect(interfaces).toEqual([
      {
        name: 'net1',
        mac: '02:00:00:00:00:99',
        mtu: 1500,
        sandbox: pathOf(pod),
        socketPath: socket,
      },
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
    const call = { container: '0123456789abcdef', netns: pathOf(pod) };
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
    const call = { container: 'able', netns: pathOf(pod) };
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

  test('who knows another pod’s secret, or none, is refused', async () => {
    const host = await CniHost.start();
    const pod = new Namespace();
    const places = ['one', 'two'].map((container) => join(host.pods, container, 'net1'));
    for (const container of ['one', 'two']) {
      const call = { container, netns: pathOf(pod) };
      expect((await host.plugin('ADD', host.conf(), call)).status).toBe(0);
    }
    const [socket, other] = [`${places[0]}.sock`, `${places[1]}.env`];
    const { secret } = readAttachFile(other);
    for (const wrong of [{ socket }, { socket, secret }]) {
      const stranger = new MemifClient(wrong);
      onTestFinished(() => stranger.close());
      await until('refused', () => /secret/.test(stranger.lastError));
      expect(stranger.link).toBe('down');
    }
    await using own = await MemifClient.connect({ file: `${places[0]}.env` });
    expect(own.link).toBe('up');
  });

  test('mode passthru: the bridge is one container’s alone', async () => {
    const host = await CniHost.start();
    const pod = new Namespace();
    const [one, two] = ['one', 'two'].map((container) => ({ container, netns: pathOf(pod) }));
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
    const [one, two] = ['one', 'two'].map((container) => ({ container, netns: pathOf(pod) }));
    expect((await host.plugin('ADD', host.conf({ ipam }), one)).status).toBe(0);
    const full = await host.plugin('ADD', host.conf({ ipam }), two);
    expect(full.json.msg).toMatch(/IPAM plugin host-local: .*no IP addresses available/);
    expect((await host.left()).attachments).toHaveLength(1);
    // An interface that is there already: the address goes back, too.
    const twin = await host.plugin('ADD', host.conf({ kind: 'kernel' }), {
      container: 'three',
      netns: pathOf(pod),
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
      ['ADD', { ...conf, driver: 'tun' }, call, 7, /driver: must be one of tap, veth, got tun/],
      [
        'ADD',
        { ...conf, kind: 'memif', driver: 'veth' },
        call,
        7,
        /driver: is for the kind kernel, not for memif/,
      ],
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
