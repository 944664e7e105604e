/** Podman with networks of CNI: real containers, over the kernel and over memif, and a pod of two. */
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { endAll, run, until } from '../interop/processes.js';
import { root } from '../switch/support.js';
import { CniHost, lacksCni, nothing, plugin, plugins } from './cni-support.js';

const why =
  lacksCni() ??
  (existsSync('/usr/bin/podman') && existsSync('/usr/sbin/runc') && existsSync('/bin/busybox')
    ? undefined
    : 'needs podman, runc and busybox-static');

afterEach(endAll);

/** With all that it keeps in the test's own folder. */
class Podman {
  readonly #home: string;
  readonly #env: string[];

  constructor(host: CniHost, networks: Record<string, object>) {
    this.#home = host.home;
    const [bin, lists] = ['bin', 'net.d'].map((name) => join(host.home, name));
    mkdirSync(bin as string);
    mkdirSync(lists as string);
    copyFileSync(plugin, join(bin as string, 'memswitch-cni'));
    for (const [name, conf] of Object.entries(networks)) {
      const list = { cniVersion: '1.0.0', name, plugins: [conf] };
      writeFileSync(join(lists as string, `${name}.conflist`), JSON.stringify(list));
    }
    const file = join(host.home, 'containers.conf');
    writeFileSync(file, settings(bin as string, lists as string));
    this.#env = [`CONTAINERS_CONF=${file}`];
  }

  run(...args: string[]): string {
    const places = ['--root', join(this.#home, 'storage'), '--runroot', join(this.#home, 'run')];
    const line = ['podman', ...places, '--storage-driver', 'vfs', ...args];
    return run('env', ...this.#env, ...line).trim();
  }

  exec(container: string, ...line: string[]): string {
    return this.run('exec', container, ...line);
  }

  import(): void {
    const tree = join(this.#home, 'root');
    for (const folder of ['bin', 'dev', 'proc', 'sys', 'etc', 'tmp', 'run']) {
      mkdirSync(join(tree, folder), { recursive: true });
    }
    copyFileSync('/bin/busybox', join(tree, 'bin/busybox'));
    copyFileSync(join(root, 'build/Release/memswitch-attach'), join(tree, 'bin/memswitch-attach'));
    for (const name of ['sh', 'sleep', 'ping', 'ip']) {
      symlinkSync('busybox', join(tree, 'bin', name));
    }
    const archive = join(this.#home, 'root.tar');
    run('tar', '-C', tree, '-cf', archive, '.');
    this.run('import', archive, 'localhost/box:1');
  }

  address(container: string): string {
    const shown = this.exec(container, 'ip', '-4', 'address', 'show', 'eth0');
    return /inet ([\d.]+)\//.exec(shown)?.[1] ?? '';
  }
}

/** The limits and the runtime are such as a machine without systemd and CAP_SYS_RESOURCE takes. */
function settings(bin: string, lists: string): string {
  return `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_backend = "cni"
cni_plugin_dirs = ["${bin}", "${plugins}"]
network_config_dir = "${lists}"
default_network = "blue"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
`;
}

describe.skipIf(why !== undefined)(`podman${why === undefined ? '' : `: ${why}`}`, () => {
  test('containers over TAP, over memif and, in a pod, over veth ping each other, and leave nothing', {
    timeout: 180_000,
  }, async () => {
    const host = await CniHost.start();
    mkdirSync(host.pods);
    const ipam = (first: string) => ({ ...Object(host.conf().ipam), rangeStart: first });
    const podman = new Podman(host, {
      blue: host.conf({ kind: 'kernel', ipam: ipam('10.85.1.2') }),
      'blue-veth': host.conf({ name: 'blue-veth', driver: 'veth', ipam: ipam('10.85.3.2') }),
      'blue-memif': host.conf({ name: 'blue-memif', ipam: ipam('10.85.2.2') }),
    });
    onTestFinished(() => void podman.run('rm', '--all', '--force', '--time', '0'));
    podman.import();
    const start = (name: string, ...more: string[]) =>
      podman.run('run', '-d', '--name', name, ...more, 'localhost/box:1', 'sleep', '1000');
    start('one', '--network', 'blue');
    const infra = ['--infra-image', 'localhost/box:1', '--infra-command', 'sleep 1000'];
    podman.run('pod', 'create', '--name', 'pod', '--network', 'blue-veth', ...infra);
    start('two', '--pod', 'pod');
    const device = ['--cap-add', 'NET_ADMIN', '--device', '/dev/net/tun'];
    const id = start(
      'three',
      ...['--network', 'blue-memif', ...device, '-v', `${host.pods}:/run/memif`],
    );
    podman.exec(
      'three',
      'sh',
      '-c',
      `memswitch-attach /run/memif/${id}/eth0.env > /tmp/log 2>&1 &`,
    );
    await host.linked(3);
    const [one, two] = [podman.address('one'), podman.address('two')];
    expect([one, two]).toEqual(['10.85.1.2', '10.85.3.2']);
    for (const [from, to] of [
      ['one', two],
      ['two', one],
      ['three', one],
      ['three', two],
      ['one', '10.85.2.2'],
    ] as const) {
      await until(`${from} reaches ${to}`, () => {
        try {
          return podman.exec(from, 'ping', '-q', '-c', '3', to).includes(' 3 packets received');
        } catch {
          return false;
        }
      });
    }
    podman.run('rm', '--force', '--time', '0', 'one', 'three');
    podman.run('pod', 'rm', '--force', '--time', '0', 'pod');
    expect(await host.left()).toEqual(nothing);
  });
});
