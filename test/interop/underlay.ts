/** Hosts on one Ethernet, for tunnels between them: network namespaces joined by a Linux bridge. */
import { run } from './processes.js';

let made = 0;

export class Underlay {
  readonly #bridge = `msw${process.pid}-u${++made}`;
  readonly #hosts: string[] = [];

  constructor() {
    this.exec('ip', 'netns', 'add', this.#bridge);
    this.#in(this.#bridge, 'ip', 'link', 'add', 'br0', 'type', 'bridge');
    this.#in(this.#bridge, 'ip', 'link', 'set', 'br0', 'up', 'mtu', '9100');
  }

  /** A host with `eth0` at 192.0.2.N and 2001:db8::N; the name of its namespace. */
  host(number: number, mtu = 1600): string {
    const netns = `${this.#bridge}h${number}`;
    this.#hosts.push(netns);
    this.exec('ip', 'netns', 'add', netns);
    const veth = ['link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', `v${number}`];
    this.#in(netns, 'ip', ...veth, 'netns', this.#bridge);
    this.#in(this.#bridge, 'ip', 'link', 'set', `v${number}`, 'master', 'br0', 'up', 'mtu', '9000');
    this.#in(netns, 'ip', 'link', 'set', 'lo', 'up');
    this.#in(netns, 'ip', 'link', 'set', 'eth0', 'up', 'mtu', `${mtu}`);
    this.#in(netns, 'ip', 'addr', 'add', `${address4(number)}/24`, 'dev', 'eth0');
    this.#in(netns, 'ip', 'addr', 'add', `${address6(number)}/64`, 'dev', 'eth0', 'nodad');
    return netns;
  }

  /** The other end of a host's cable. */
  cable(number: number, state: 'up' | 'down'): void {
    this.#in(this.#bridge, 'ip', 'link', 'set', `v${number}`, state);
  }

  /** Takes the addresses off a host's `eth0`, for a switch to have them there. */
  bare(netns: string): void {
    this.#in(netns, 'ip', 'addr', 'flush', 'dev', 'eth0');
    this.#in(netns, 'ethtool', '-K', 'eth0', 'tx', 'off');
  }

  /** A Linux vxlan device `vx0` on a host, which floods to the remotes. */
  linux(netns: string, vni: number, local: string, remotes: string[], inside: string, more = '') {
    const port = more.includes('dstport') ? [] : ['dstport', '4789'];
    const options = ['id', `${vni}`, 'local', local, ...port, ...more.split(' ')];
    const link = ['link', 'add', 'vx0', 'type', 'vxlan', ...options.filter(Boolean)];
    this.#in(netns, 'ip', ...link, 'dev', 'eth0');
    for (const remote of remotes) {
      const entry = ['fdb', 'append', '00:00:00:00:00:00', 'dev', 'vx0', 'dst', remote];
      this.#in(netns, 'bridge', ...entry);
    }
    // A veth hands on what a wire would never carry: tunnelled frames of 64 KiB without inner checksums, for the receiver's
    // vxlan device to finish. A socket cannot.
    for (const device of ['eth0', 'vx0']) {
      this.#in(netns, 'ethtool', '-K', device, 'tx', 'off', 'tso', 'off', 'gso', 'off');
    }
    this.#in(netns, 'sysctl', '-qw', 'net.ipv6.conf.vx0.disable_ipv6=1');
    this.#in(netns, 'ip', 'addr', 'add', `${inside}/24`, 'dev', 'vx0');
    this.#in(netns, 'ip', 'link', 'set', 'vx0', 'up');
  }

  remove(): void {
    for (const netns of [...this.#hosts, this.#bridge]) {
      this.exec('ip', 'netns', 'del', netns);
    }
  }

  exec(command: string, ...args: string[]): string {
    return run(command, ...args);
  }

  #in(netns: string, ...command: string[]): string {
    return run('ip', 'netns', 'exec', netns, ...command);
  }
}

export function address4(number: number): string {
  return `192.0.2.${number}`;
}

export function address6(number: number): string {
  return `2001:db8::${number}`;
}
