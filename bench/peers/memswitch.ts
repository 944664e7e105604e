/** The switch itself, as its users run it: the daemon, one worker, one bridge. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { version } from '../../switch/status.js';
import type { Peer, Place, Running, Topology } from '../peer.js';
import { Program, range, root } from '../programs.js';

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
  const file = join(place.folder, 'config.json');
  writeFileSync(file, JSON.stringify(configuration(topology, place)));
  const args = [cli, 'run', '--config', file, '--api', api];
  const program = new Program(process.execPath, args, { cpu: place.loadCpu });
  await program.until(() => program.output.includes('memswitch ready'));
  return {
    endpoints: range(topology.ports).map((id) => `memif:${join(place.folder, 'msw.sock')},${id}`),
    queues: 1,
    pids: [program.pid],
    api,
    pause: () => program.pause(),
    resume: () => program.resume(),
    stop: () => program.stop(),
  };
}

function configuration(topology: Topology, { folder, switchCpu }: Place) {
  const socket = join(folder, 'msw.sock');
  const port = (id: number) => [`p${id}`, { kind: 'memif', bridge: 'b', socket, id }];
  return {
    workers: [{ cpu: switchCpu }],
    polling: topology.polling,
    bridges: {
      b: {
        // Both ends' addresses.
        macLimit: Math.min(topology.addresses * topology.active + 1000, 4_000_000),
        learn: topology.forwarding !== 'cross-connect',
      },
    },
    ports: Object.fromEntries(range(topology.ports).map(port)),
  };
}
