/** Open vSwitch with DPDK: a userspace bridge with action NORMAL (learning) over net_memif. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DeviceEnds, load } from '../device-ends.js';
import { freeHugePages } from '../huge-pages.js';
import type { Peer, Place, Topology } from '../peer.js';
import { Program, range, run } from '../programs.js';
import { tunnel } from '../tunnel.js';

const vswitchd = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk';
const schema = '/usr/share/openvswitch/vswitch.ovsschema';
/** Of 2 MB; with fewer its packet pools do not come up. */
const wantedPages = 1000;
/** It keeps a flow for each pair of addresses, 200,000 at most, and asks a slower thread about all others. */
const mostAddresses = 100_000;

export const ovs: Peer = {
  name: 'ovs-dpdk',
  what: 'Open vSwitch with DPDK, bridge with NORMAL over net_memif, one PMD thread',
  version: () => /\d+\.\d+\.\d+/.exec(run(vswitchd, ['--version']))?.[0] ?? '',
  missing({ ports, forwarding, addresses, largest }) {
    if (!existsSync(vswitchd)) {
      return 'OVS with DPDK is not installed (Debian: openvswitch-switch-dpdk)';
    }
    if (process.getuid?.() !== 0) {
      return 'needs root';
    }
    if (freeHugePages() < wantedPages) {
      return `needs ${wantedPages} free huge pages of 2 MB, ${freeHugePages()} are there`;
    }
    if (forwarding === 'cross-connect') {
      return 'measured as a bridge';
    }
    if (largest > 2048) {
      return 'its memif ports take no chained frames';
    }
    if (ports > 16) {
      return 'its packet pools for so many ports do not fit the huge pages given to it';
    }
    return addresses <= mostAddresses
      ? undefined
      : 'needs a flow for each address and keeps 200,000 at most';
  },
  async start(topology, place) {
    const ends = DeviceEnds.of(topology, place);
    const database = await startDatabase(place);
    const control = new Control(place);
    control.configure(place);
    const socket = `unix:${join(place.folder, 'db.sock')}`;
    const options = ['--no-chdir', `--unixctl=${join(place.folder, 'vswitchd.ctl')}`];
    // In a network namespace of its own, for it makes persistent interfaces with names that every OVS uses.
    const command = ['--net', vswitchd, socket, ...options];
    const program = new Program('unshare', command, { env: environment(place) });
    const isLoad = (port: number) => (ends?.ends[port] ?? 'memif') === 'memif';
    try {
      await program.until(() => existsSync(join(place.folder, 'vswitchd.ctl')));
      control.addBridge(topology);
      if (topology.tunnel) {
        control.addTunnel(program.pid);
      }
      for (const name of ends?.interfaces.filter((interface_) => interface_ !== '') ?? []) {
        run('ip', ['link', 'set', name, 'netns', String(program.pid)]);
        run('nsenter', ['-t', String(program.pid), '-n', 'ip', 'link', 'set', name, 'up']);
      }
      for (const port of range(topology.ports).filter((one) => !isLoad(one))) {
        control.addDevice(port, ends?.devargs(port) ?? '', topology);
      }
      const sockets = range(topology.ports)
        .filter(isLoad)
        .map((port) => control.addPort(port, place, topology));
      await program.until(() => sockets.every(existsSync), 40);
      if (ends) {
        control.addStations(topology);
      }
      return {
        endpoints: [
          ...sockets.map((path) => `memif:${path}`),
          ...(topology.tunnel && ends ? ends.farEnds() : []),
        ],
        // Its threads transmit on queue ids of their own: with one queue everything ends in ovs_tx_failure_drops.
        queues: 2,
        ...(ends?.ends[1] !== 'memif' &&
          ends && { arrived: async () => ends.arrived() ?? control.sent(1) }),
        pids: [program.pid, database.pid],
        pause: () => program.pause(),
        resume: () => program.resume(),
        async stop() {
          await program.stop();
          await database.stop();
          ends?.remove();
        },
      };
    } catch (error) {
      await program.stop();
      await database.stop();
      throw error;
    }
  },
};

function environment({ folder }: Place): Record<string, string> {
  return { OVS_RUNDIR: folder, OVS_DBDIR: folder, OVS_LOGDIR: folder };
}

async function startDatabase(place: Place): Promise<Program> {
  const file = join(place.folder, 'conf.db');
  run('ovsdb-tool', ['create', file, schema]);
  const socket = join(place.folder, 'db.sock');
  const control = `--unixctl=${join(place.folder, 'ovsdb.ctl')}`;
  const database = new Program('ovsdb-server', [file, `--remote=punix:${socket}`, control], {
    cpu: place.loadCpu,
    env: environment(place),
  });
  await database.until(() => existsSync(socket));
  return database;
}

const underlay = 'br-phy';

function bridgeOf(port: number, topology: Topology): string {
  return topology.tunnel && port === 1 ? underlay : 'br0';
}

function mtuRequest({ tunnel: tunnelled }: Topology): string[] {
  return tunnelled ? [`mtu_request=${tunnel.mtu}`] : [];
}

/** ovs-vsctl, at our database. */
class Control {
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  configure({ loadCpu, switchCpu }: Place): void {
    this.#vsctl('--no-wait', 'init');
    const settings = {
      'dpdk-init': 'true',
      'dpdk-extra': '--no-pci --in-memory --no-telemetry',
      'dpdk-socket-mem': '1024',
      'dpdk-lcore-mask': `0x${(1 << loadCpu).toString(16)}`,
      'pmd-cpu-mask': `0x${(1 << switchCpu).toString(16)}`,
    };
    for (const [name, value] of Object.entries(settings)) {
      this.#vsctl('--no-wait', 'set', 'Open_vSwitch', '.', `other_config:${name}="${value}"`);
    }
  }

  addBridge({ addresses, active }: Topology): void {
    const size = Math.max(8192, addresses * active + 1000);
    this.#vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0', 'datapath_type=netdev');
    this.#vsctl('set', 'bridge', 'br0', `other_config:mac-table-size=${size}`);
  }

  /** Returns the socket. */
  addPort(port: number, { folder }: Place, topology: Topology): string {
    const socket = join(folder, `${port}.sock`);
    const place = `socket=${socket},socket-abstract=no`;
    const devargs = `net_memif${port},role=server,id=0,${place},rsize=10,bsize=2048`;
    const options = ['type=dpdk', `options:dpdk-devargs="${devargs}"`, 'options:n_rxq=2'];
    this.#vsctl(
      '--no-wait',
      'add-port',
      bridgeOf(port, topology),
      `p${port}`,
      '--',
      'set',
      'Interface',
      `p${port}`,
      ...options,
      ...mtuRequest(topology),
    );
    return socket;
  }

  addDevice(port: number, devargs: string, topology: Topology): void {
    const options = ['type=dpdk', `options:dpdk-devargs="${devargs}"`, ...mtuRequest(topology)];
    const bridge = bridgeOf(port, topology);
    const name = `p${port}`;
    this.#vsctl('add-port', bridge, name, '--', 'set', 'Interface', name, ...options);
  }

  /** The underlay is a bridge of its own, whose interface has the tunnel's address: there OVS finds its way. */
  addTunnel(pid: number): void {
    const { vni, local, remote, mtu } = tunnel;
    const bridge = ['datapath_type=netdev', `other_config:hwaddr="${local.mac}"`];
    this.#vsctl('add-br', underlay, '--', 'set', 'bridge', underlay, ...bridge);
    const options = ['type=vxlan', `options:key=${vni}`, `options:remote_ip=${remote.address}`];
    this.#vsctl('add-port', 'br0', 'vx0', '--', 'set', 'Interface', 'vx0', ...options);
    const ip = (...args: string[]) => run('nsenter', ['-t', String(pid), '-n', 'ip', ...args]);
    ip('addr', 'add', `${local.address}/${local.prefix}`, 'dev', underlay);
    ip('link', 'set', underlay, 'up', 'mtu', String(mtu));
    // Behind a device nobody answers who asks for an address.
    this.#appctl('tnl/neigh/set', underlay, remote.address, remote.mac);
  }

  /** Behind what is no load nobody tells where he is; unknown, frames would go to the bridge's own interface as well. */
  addStations({ tunnel: tunnelled }: Topology): void {
    const second = tunnelled ? 'vx0' : 'p1';
    for (const [port, mac] of [
      ['p0', load.first],
      [second, load.second],
    ] as const) {
      this.#appctl('fdb/add', 'br0', port, '0', mac);
    }
  }

  /** Frames that left by a port, as it tells itself. */
  sent(port: number): number {
    const text = this.#appctl('dpctl/show', '-s');
    const [, counts = ''] = text.split(`: p${port} (`);
    return Number(/TX packets:(\d+)/.exec(counts)?.[1]);
  }

  #appctl(...args: string[]): string {
    const target = join(this.#place.folder, 'vswitchd.ctl');
    return run('ovs-appctl', ['-t', target, ...args], environment(this.#place));
  }

  #vsctl(...args: string[]): void {
    const database = `--db=unix:${join(this.#place.folder, 'db.sock')}`;
    run('ovs-vsctl', [database, '--timeout=40', ...args], environment(this.#place));
  }
}
