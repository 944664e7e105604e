/** Docker's drivers: against a real engine, with a data folder of its own, and containers of an image made here. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { uniqueName } from '../devices/support.js';
import { endAll, Program, run, until } from '../interop/processes.js';
import { command, root } from '../switch/support.js';

const why =
  process.getuid?.() !== 0
    ? 'needs root'
    : existsSync('/usr/sbin/dockerd') && existsSync('/bin/busybox')
      ? undefined
      : 'needs docker.io and busybox-static';

/** A name that no other engine of this host has a plugin by. */
const driver = uniqueName('msw');
const pluginSocket = `/run/docker/plugins/${driver}.sock`;

class Engine {
  readonly home = mkdtempSync(join(tmpdir(), 'msw-docker-'));
  readonly #socket = join(this.home, 'docker.sock');
  readonly #config = join(this.home, 'daemon.json');
  #program: Program | undefined;

  async start(...more: string[]): Promise<void> {
    rmSync(this.#socket, { force: true });
    rmSync(join(this.home, 'exec/containerd/containerd.pid'), { force: true });
    writeFileSync(this.#config, '{}');
    const off = ['iptables', 'ip6tables', 'ip-forward', 'ip-masq'].map((it) => `--${it}=false`);
    const places = ['--data-root', join(this.home, 'data'), '--exec-root', join(this.home, 'exec')];
    const rest = ['--bridge=none', '--storage-driver=vfs', '-H', `unix://${this.#socket}`];
    const files = ['--pidfile', join(this.home, 'pid'), '--config-file', this.#config];
    this.#program = new Program('dockerd', [...off, ...places, ...rest, ...files, ...more]);
    await until('the engine answers', () => this.#answers(), 60);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    await this.#program?.end(signal);
  }

  docker(...args: string[]): string {
    return run('/usr/bin/docker', '-H', `unix://${this.#socket}`, ...args);
  }

  import(): void {
    const tree = join(this.home, 'root');
    for (const folder of ['bin', 'dev', 'proc', 'sys', 'etc', 'tmp', 'run']) {
      mkdirSync(join(tree, folder), { recursive: true });
    }
    copyFileSync('/bin/busybox', join(tree, 'bin/busybox'));
    copyFileSync(join(root, 'build/Release/memswitch-attach'), join(tree, 'bin/memswitch-attach'));
    for (const name of ['sh', 'sleep', 'ping', 'ip', 'cat']) {
      symlinkSync('busybox', join(tree, 'bin', name));
    }
    run('sh', '-c', `tar -C ${tree} -c . | docker -H unix://${this.#socket} import - box:1`);
  }

  #answers(): boolean {
    try {
      this.docker('version');
      return true;
    } catch (error) {
      if (!this.#program?.running) {
        throw new Error(this.#program?.output.slice(-2000), { cause: error });
      }
      return false;
    }
  }

  remove(): void {
    run('sh', '-c', `umount ${this.home}/data 2>/dev/null; rm -rf ${this.home}`);
  }
}

class SwitchDaemon {
  /** In lower case: the command of this engine writes its driver options so (cli/opts/network.go). */
  readonly home = join(tmpdir(), uniqueName('msw-docker-'));
  readonly #api = join(this.home, 'api.sock');
  program!: Program;

  async start(): Promise<void> {
    mkdirSync(this.home, { recursive: true });
    const args = [command, 'run', '--api', this.#api, '--docker', pluginSocket];
    this.program = new Program(process.execPath, args);
    await until('memswitch ready', () => this.program.output.includes('memswitch ready'));
  }

  async get<T>(path: string): Promise<T> {
    const sent = request({ socketPath: this.#api, path }).end();
    return new Promise((resolve, reject) => {
      sent.on('error', reject).on('response', (answer) => {
        void text(answer).then((body) => resolve(JSON.parse(body) as T));
      });
    });
  }

  /** By Docker's protocol, as its engine speaks it. */
  async call(
    path: string,
    body?: object,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = { Host: '' };
    const sent = request({ socketPath: pluginSocket, path: `/${path}`, method: 'POST', headers });
    sent.end(body && JSON.stringify(body));
    return new Promise((resolve, reject) => {
      sent.on('error', reject).on('response', (answer) => {
        void text(answer).then((got) =>
          resolve({ status: answer.statusCode ?? 0, body: JSON.parse(got) }),
        );
      });
    });
  }
}

const engine = new Engine();
const sw = new SwitchDaemon();

function received(output: string): number {
  return Number(/(\d+) packets received/.exec(output)?.[1] ?? -1);
}

function attach(container: string): void {
  const line = 'memswitch-attach /run/memif/blue.env > /tmp/log 2>&1';
  engine.docker('exec', '-d', container, 'sh', '-c', line);
}

/** Until it goes through: an engine's container is up before its interface has a carrier. */
async function ping(from: string, to: string): Promise<void> {
  await until(`${from} reaches ${to}`, () => {
    try {
      return received(engine.docker('exec', from, 'ping', '-c', '1', '-W', '1', to)) === 1;
    } catch {
      return false;
    }
  });
  expect(received(engine.docker('exec', from, 'ping', '-c', '5', '-i', '0.05', to))).toBe(5);
}

function isInterface(name: string): boolean {
  return existsSync(`/sys/class/net/${name}`);
}

function addressOf(container: string, network: string): string {
  const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  return engine.docker('inspect', '-f', format, container).trim();
}

describe.skipIf(why !== undefined)(`docker${why === undefined ? '' : `: ${why}`}`, () => {
  beforeAll(async () => {
    await sw.start();
    await engine.start();
    engine.import();
  }, 120_000);

  afterAll(async () => {
    await engine.end('SIGTERM');
    await sw.program?.end();
    await endAll();
    engine.remove();
    rmSync(sw.home, { recursive: true, force: true });
    rmSync(pluginSocket, { force: true });
  }, 60_000);

  afterEach(() => {
    const containers = engine.docker('ps', '-aq').split('\n').filter(Boolean);
    if (containers.length > 0) {
      engine.docker('rm', '-f', ...containers);
    }
  });

  function create(name: string, ...more: string[]): void {
    engine.docker('network', 'create', '-d', driver, '--ipam-driver', driver, ...more, name);
  }

  function start(name: string, network: string, ...more: string[]): void {
    const capability = ['--cap-add', 'NET_ADMIN', '--device', '/dev/net/tun'];
    engine.docker(
      'run',
      '-d',
      '--name',
      name,
      '--network',
      network,
      ...capability,
      ...more,
      'box:1',
      'sleep',
      '1000',
    );
  }

  test('containers over TAP, veth and memif ping each other, through restarts of both daemons', {
    timeout: 180_000,
  }, async () => {
    create('blue', '-o', 'memswitch.bridge=blue', '--subnet', '10.87.0.0/24');
    create('red', '-o', 'memswitch.driver=veth');
    const kernel = 'driver-opt=memswitch.kind=kernel';
    const pods = join(sw.home, 'pods');
    start('one', `name=blue,${kernel}`);
    start('two', `name=blue,driver-opt=memswitch.dir=${pods}/two`, '-v', `${pods}/two:/run/memif`);
    start('three', 'name=blue,driver-opt=memswitch.driver=veth');
    start(
      'four',
      `name=blue,driver-opt=memswitch.dir=${pods}/four`,
      '-v',
      `${pods}/four:/run/memif`,
    );
    attach('two');
    attach('four');
    const [one, two, three] = ['one', 'two', 'three'].map((it) => addressOf(it, 'blue'));
    expect([one, two, three]).toEqual(['10.87.0.2', '10.87.0.3', '10.87.0.4']);
    await ping('one', three as string);
    await ping('one', two as string);
    await ping('two', three as string);
    await ping('three', two as string);
    await ping('two', addressOf('four', 'blue'));
    engine.docker('rm', '-f', 'four');

    // Several networks for one container; a container leaves one in traffic.
    engine.docker('network', 'connect', 'red', 'one');
    engine.docker('network', 'connect', 'red', 'three');
    await ping('one', addressOf('three', 'red'));
    engine.docker('exec', '-d', 'three', 'ping', '-i', '0.01', one as string);
    engine.docker('network', 'disconnect', 'blue', 'three');
    await ping('one', two as string);
    await ping('one', addressOf('three', 'red'));

    const inspected = JSON.parse(engine.docker('network', 'inspect', 'blue'))[0];
    expect(inspected).toMatchObject({ Driver: driver, Options: { 'memswitch.bridge': 'blue' } });
    expect(Object.keys(inspected.Containers)).toHaveLength(2);

    // The switch dies: containers keep their interfaces, addresses and routes.
    await sw.program.end('SIGKILL');
    await sw.start();
    await ping('one', two as string);
    await ping('one', addressOf('three', 'red'));

    const known = await sw.get<{ driver?: string; host?: { name: string } }[]>('/v1/attachments');
    const hostEnds = known.flatMap(({ host }) => (host ? [host.name] : []));
    expect([hostEnds.length, hostEnds.filter(isInterface)]).toEqual([2, hostEnds]);

    // The engine dies, and its containers with it; it tells nobody.
    await engine.end('SIGKILL');
    await until(
      'its containerd has ended',
      () => !existsSync(join(engine.home, 'exec/containerd/containerd.sock.ttrpc.lock')),
      5,
    ).catch(() => undefined);
    await engine.start();
    await until(
      'stale endpoints are gone',
      async () => (await sw.get<object[]>('/v1/attachments')).length === 0,
      60,
    );
    expect(hostEnds.filter(isInterface)).toEqual([]);
    engine.docker('start', 'one', 'two', 'three');
    attach('two');
    await ping('one', addressOf('two', 'blue'));
    await ping('one', addressOf('three', 'red'));

    engine.docker('rm', '-f', 'one', 'two', 'three');
    engine.docker('network', 'rm', 'blue', 'red');
    expect(await sw.get('/v1/attachments')).toEqual([]);
    expect(await sw.get('/v1/ports')).toEqual([]);
    expect((await sw.get<{ name: string }[]>('/v1/bridges')).map(({ name }) => name)).toEqual([
      'blue',
    ]);
    expect(run('ip', '-br', 'link')).not.toMatch(/^msw[0-9a-f]{10}\b/m);
  });

  test('an engine that restores lets containers run on; the switch may end meanwhile, too', {
    timeout: 180_000,
  }, async () => {
    await engine.end('SIGTERM');
    await engine.start('--live-restore');
    create('live', '-o', 'memswitch.driver=veth', '--subnet', '10.86.0.0/24');
    start('one', 'live');
    start('two', 'name=live,driver-opt=memswitch.driver=tap');
    await ping('one', '10.86.0.3');
    await engine.end('SIGTERM');
    await sw.program.end('SIGKILL');
    await sw.start();
    const made = await sw.get<{ sandbox: string; addresses: string[] }[]>('/v1/attachments');
    const one = made.find(({ addresses }) => addresses[0] === '10.86.0.2/24');
    await until('they reach each other without an engine', () => {
      try {
        run('nsenter', `--net=${one?.sandbox}`, 'ping', '-qc', '1', '-W', '1', '10.86.0.3');
        return true;
      } catch {
        return false;
      }
    });
    await engine.start('--live-restore');
    await ping('one', '10.86.0.3');
    expect(engine.docker('ps', '-q').trim().split('\n')).toHaveLength(2);
    start('three', 'live');
    await ping('three', '10.86.0.2');
    engine.docker('rm', '-f', 'one', 'two', 'three');
    engine.docker('network', 'rm', 'live');
    expect(await sw.get('/v1/attachments')).toEqual([]);
    expect(await sw.get('/v1/ports')).toEqual([]);
  });

  test('what is wrong is told to whoever asked', () => {
    expect(() => create('bad', '-o', 'memswitch.kind=veth')).toThrow(
      /must be memif or kernel, got veth/,
    );
    expect(() => create('bad', '-o', 'memswitch.driver=tun')).toThrow(
      /memswitch.driver: must be tap or veth, got tun/,
    );
    expect(() => create('bad', '-o', 'memswitch.brigde=x')).toThrow(
      /memswitch.brigde: unknown option; known: /,
    );
    expect(() => create('bad', '-o', 'memswitch.mode=private,vepa')).toThrow(
      /memswitch.mode: must be one of bridge, private, vepa, passthru, got private,vepa/,
    );
    create('green', '--subnet', '10.88.0.0/24');
    expect(() => create('twin', '--subnet', '10.88.0.128/25')).toThrow(/meets 10\.88\.0\.0\/24/);
    expect(() => start('xyz', 'green', '--ip', '10.88.0.1')).toThrow(
      /address 10\.88\.0\.1 is taken|Address already in use/,
    );
    engine.docker('network', 'rm', 'green');
  });

  test('the protocol: without bodies, of unknown endpoints, again, of unknown calls', async () => {
    expect((await sw.call('Plugin.Activate')).body.Implements).toEqual([
      'NetworkDriver',
      'IpamDriver',
    ]);
    expect(await sw.call('NetworkDriver.Nonsense')).toMatchObject({ status: 404 });
    const unknown = { NetworkID: 'n'.repeat(64), EndpointID: 'e'.repeat(64) };
    for (const path of ['DeleteEndpoint', 'EndpointOperInfo', 'DeleteNetwork']) {
      expect((await sw.call(`NetworkDriver.${path}`, unknown)).body.Err).toBeUndefined();
    }
    // An endpoint of a network that nobody has told of: the state was lost, the engine's was not.
    const socket = join(sw.home, 'x/lost.sock');
    const Options = {
      'memswitch.dir': join(sw.home, 'x'),
      'memswitch.socket': 'lost',
      'memswitch.mode': 'private',
    };
    const made = await sw.call('NetworkDriver.CreateEndpoint', { ...unknown, Options });
    expect(made.body).toEqual({ Interface: { MacAddress: expect.stringMatching(/^.[26ae]:/) } });
    const again = await sw.call('NetworkDriver.CreateEndpoint', { ...unknown, Options });
    expect(again.body).toEqual(made.body);
    expect(await sw.get('/v1/ports')).toMatchObject([{ isolated: true }]);
    const told = await sw.call('NetworkDriver.EndpointOperInfo', unknown);
    expect(told.body.Value).toMatchObject({
      'memswitch.socket': socket,
      'memswitch.kind': 'memif',
    });
    // The engine joins first and makes the sandbox later: meanwhile the endpoint is not taken for one that was left.
    const SandboxKey = join(sw.home, 'not-yet');
    await sw.call('NetworkDriver.Join', { ...unknown, SandboxKey });
    await sw.call('Plugin.Activate');
    expect(existsSync(socket)).toBe(true);
    expect((await sw.call('NetworkDriver.DeleteEndpoint', unknown)).body).toEqual({});
    expect(existsSync(socket)).toBe(false);
  });

  test('an endpoint without a sandbox, of an engine that died, goes with its address when the switch comes back', async () => {
    const { PoolID } = (await sw.call('IpamDriver.RequestPool', { Pool: '10.90.7.0/29' })).body;
    const request = { PoolID, Address: '10.90.7.2' };
    const given = await sw.call('IpamDriver.RequestAddress', request);
    const endpoint = { NetworkID: 'd'.repeat(64), EndpointID: 'f'.repeat(64) };
    const Options = { 'memswitch.dir': join(sw.home, 'left') };
    const Interface = { Address: given.body.Address };
    await sw.call('NetworkDriver.CreateEndpoint', { ...endpoint, Interface, Options });
    await sw.call('NetworkDriver.Join', { ...endpoint, SandboxKey: join(sw.home, 'gone') });
    expect((await sw.call('IpamDriver.RequestAddress', request)).body.Err).toMatch(/is taken/);
    await sw.program.end('SIGKILL');
    await sw.start();
    await sw.call('Plugin.Activate');
    expect(await sw.get('/v1/attachments')).toEqual([]);
    expect((await sw.call('IpamDriver.RequestAddress', request)).body.Err).toBeUndefined();
    await sw.call('IpamDriver.ReleasePool', { PoolID });
  });

  test('addresses: of both families, each once, and again when they are given back', async () => {
    const pool = await sw.call('IpamDriver.RequestPool', { Pool: 'fd00:88::/126', V6: true });
    const { PoolID } = pool.body;
    const Options = { RequestAddressType: 'com.docker.network.gateway' };
    const next = async (more: object = {}) =>
      (await sw.call('IpamDriver.RequestAddress', { PoolID, ...more })).body;
    expect(await next({ Options })).toMatchObject({ Address: 'fd00:88::1/126' });
    expect(await next()).toMatchObject({ Address: 'fd00:88::2/126' });
    expect((await next()).Err).toMatch(/no address is free/);
    expect((await next({ Address: 'fd00:89::1' })).Err).toMatch(/not in fd00:88::/);
    await sw.call('IpamDriver.ReleaseAddress', { PoolID, Address: 'fd00:88::2' });
    expect(await next({ Address: 'fd00:88::2' })).toMatchObject({ Address: 'fd00:88::2/126' });
    await sw.call('IpamDriver.ReleasePool', { PoolID });
    expect((await next()).Err).toMatch(/no pool/);
  });
});
