/** The switch itself, as its users run it: the daemon, one worker, one bridge. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { version } from '../../switch/status.js';
import { DeviceEnds, load } from '../device-ends.js';
import type { Peer, Place, Running, Topology } from '../peer.js';
import { Program, range, root, run } from '../programs.js';
import { tunnel } from '../tunnel.js';

export const memswitch: Peer = builtIn(root, 'memswitch', version);

/** Another checkout of memswitch: what a change has won or cost. Undefined: none is built there. */
export function memswitchAt(folder: string): Peer | undefined {
  const path = resolve(folder);
  if (!existsSync(commandOf(path))) {
    return undefined;
  }
  const manifest = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  return builtIn(path, `memswitch@${basename(path)}`, String(manifest.version));
}

function commandOf(folder: string): string {
  return join(folder, 'dist', 'switch', 'cli', 'main.js');
}

function builtIn(folder: string, name: string, itsVersion: string): Peer {
  return {
    name,
    what: 'one worker, one bridge of memif ports; `cross-connect` is a bridge of two ports that does not learn',
    version: () => itsVersion,
    missing: cannot,
    start: (topology, place) => start(commandOf(folder), topology, place),
  };
}

function cannot({ forwarding, ports }: Topology): string | undefined {
  if (forwarding === 'cross-connect' && ports > 2) {
    return 'it has no cross-connect, and a bridge of more than two ports has to learn';
  }
  return undefined;
}

async function start(cli: string, topology: Topology, place: Place): Promise<Running> {
  const api = join(place.folder, 'api.sock');
  const ends = DeviceEnds.of(topology, place);
  const file = join(place.folder, 'config.json');
  writeFileSync(file, JSON.stringify(configuration(topology, place, ends)));
  const args = [cli, 'run', '--config', file, '--api', api];
  const program = new Program(process.execPath, args, { cpu: place.loadCpu });
  await program.until(() => program.output.includes('memswitch ready'));
  const show = ['show', 'ports', 'p1', '--json', '--api', api];
  return {
    endpoints: [
      ...range(topology.ports)
        .filter((id) => (ends?.ends[id] ?? 'memif') === 'memif')
        .map((id) => `memif:${join(place.folder, 'msw.sock')},${id}`),
      ...(topology.tunnel && ends ? ends.farEnds() : []),
    ],
    ...(ends?.ends[1] !== 'memif' &&
      ends && {
        arrived: async () =>
          ends.arrived() ?? Number(JSON.parse(run(process.execPath, [cli, ...show])).tx.frames),
      }),
    queues: 1,
    pids: [program.pid],
    api,
    pause: () => program.pause(),
    resume: () => program.resume(),
    async stop() {
      await program.stop();
      ends?.remove();
    },
  };
}

function configuration(topology: Topology, { folder, switchCpu }: Place, ends?: DeviceEnds) {
  const socket = join(folder, 'msw.sock');
  const options = (id: number) => {
    switch (ends?.ends[id] ?? 'memif') {
      case 'memif':
        return { kind: 'memif', socket, id };
      case 'af_xdp':
        return { kind: 'kernel', driver: 'af_xdp', interface: ends?.interfaces[id] };
      default:
        return { kind: 'ethdev', devargs: ends?.devargs(id) };
    }
  };
  const port = (id: number) => {
    const bridge = topology.tunnel && id === 1 ? 'underlay' : 'b';
    return [`p${id}`, { ...options(id), bridge }];
  };
  return {
    workers: [{ cpu: switchCpu }],
    polling: topology.polling,
    bridges: {
      b: {
        // Both ends' addresses.
        macLimit: Math.min(topology.addresses * topology.active + 1000, 4_000_000),
        ...(ends && { static: stations(topology) }),
        learn: topology.forwarding !== 'cross-connect',
      },
      ...(topology.tunnel && { underlay: {} }),
    },
    ports: {
      ...Object.fromEntries(range(topology.ports).map(port)),
      ...(topology.tunnel && { vx: tunnelPort(ends !== undefined) }),
    },
  };
}

/** Behind what is no load nobody tells where he is. */
function stations({ tunnel: tunnelled }: Topology) {
  return tunnelled
    ? { [load.first]: 'p0', [load.second]: { port: 'vx', remote: tunnel.remote.address } }
    : { [load.second]: 'p1' };
}

function tunnelPort(isDevice: boolean) {
  const { vni, local, remote, mtu } = tunnel;
  const { address, prefix, mac } = local;
  const remotes = [remote.address];
  const neighbors = isDevice ? [`${remote.address}=${remote.mac}`] : [];
  const way = { underlay: 'p1', local: address, prefix, mac, remotes, neighbors, pathMtu: mtu };
  return { kind: 'vxlan', bridge: 'b', vni, ...way };
}
