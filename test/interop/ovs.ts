/** Open vSwitch with its userspace datapath: a tunnel's other end that shares no code with Linux or with us. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Program, run, until } from './processes.js';

const schema = '/usr/share/openvswitch/vswitch.ovsschema';

/** Why there is none; undefined: there is. */
export const ovsMissing = ['/usr/sbin/ovs-vswitchd', schema].find((path) => !existsSync(path));

export class OpenVswitch {
  readonly #netns: string;
  readonly #folder: string;
  readonly #database: string;

  /** Daemons of its own in a namespace; their files are in `folder`. */
  constructor(netns: string, folder: string) {
    this.#netns = netns;
    this.#folder = folder;
    this.#database = `unix:${join(folder, 'db.sock')}`;
  }

  async start(): Promise<void> {
    const file = join(this.#folder, 'conf.db');
    run('ovsdb-tool', 'create', file, schema);
    this.#daemon('ovsdb-server', file, `--remote=p${this.#database}`);
    await until('the database listens', () => existsSync(join(this.#folder, 'db.sock')));
    this.#set('--no-wait', 'init');
    this.#daemon('ovs-vswitchd', this.#database);
  }

  /** `eth0` becomes a port of bridge `br-phy`, which has its address; `br-int` is inside, with a tunnel. */
  tunnel(local: string, remote: string, vni: number, inside: string): void {
    this.#exec('ip', 'addr', 'flush', 'dev', 'eth0');
    this.#set('add-br', 'br-phy', '--', 'set', 'bridge', 'br-phy', 'datapath_type=netdev');
    this.#set('add-port', 'br-phy', 'eth0');
    this.#exec('ip', 'addr', 'add', `${local}/24`, 'dev', 'br-phy');
    this.#exec('ip', 'link', 'set', 'br-phy', 'up', 'mtu', '1600');
    this.#set('add-br', 'br-int', '--', 'set', 'bridge', 'br-int', 'datapath_type=netdev');
    const options = ['type=vxlan', `options:key=${vni}`, `options:remote_ip=${remote}`];
    this.#set('add-port', 'br-int', 'vx0', '--', 'set', 'interface', 'vx0', ...options);
    this.#exec('ip', 'addr', 'add', `${inside}/24`, 'dev', 'br-int');
    this.#exec('ip', 'link', 'set', 'br-int', 'up', 'mtu', '1450');
  }

  /** `eth0` becomes a trunk of a bridge that has an interface of its own in each VLAN: `v100` with that address. */
  trunk(addresses: Record<number, string>): void {
    this.#exec('ip', 'link', 'set', 'eth0', 'up');
    this.#set('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev');
    this.#set('add-port', 'br0', 'eth0');
    for (const [vlan, address] of Object.entries(addresses)) {
      const name = `v${vlan}`;
      const add = ['add-port', 'br0', name, `tag=${vlan}`];
      this.#set(...add, '--', 'set', 'interface', name, 'type=internal');
      this.#exec('ip', 'addr', 'add', `${address}/24`, 'dev', name);
      this.#exec('ip', 'link', 'set', name, 'up');
    }
  }

  #daemon(name: string, ...args: string[]): Program {
    const files = [`--pidfile=${join(this.#folder, `${name}.pid`)}`, '--no-chdir'];
    const place = ['OVS_RUNDIR', 'OVS_LOGDIR', 'OVS_DBDIR'].map((key) => `${key}=${this.#folder}`);
    const command = ['env', ...place, name, ...args, ...files];
    return new Program('ip', ['netns', 'exec', this.#netns, ...command]);
  }

  #set(...args: string[]): string {
    return this.#exec('ovs-vsctl', '--timeout=15', `--db=${this.#database}`, ...args);
  }

  #exec(...command: string[]): string {
    return run('ip', 'netns', 'exec', this.#netns, ...command);
  }
}
