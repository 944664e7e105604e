/** The switch itself, as its users run it: the daemon, one worker, one bridge. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../../switch/status.js';
import type { Peer, Place, Topology } from '../peer.js';
import { Program, range, root } from '../programs.js';

export const memswitch: Peer = {
  name: 'memswitch',
  what: 'one worker, one bridge of memif ports; `cross-connect` is a bridge of two ports that does not learn',
  version: () => version,
  missing({ forwarding, ports }) {
    if (forwarding === 'cross-connect' && ports > 2) {
      return 'it has no cross-connect, and a bridge of more than two ports has to learn';
    }
    return undefined;
  },
  async start(topology, place) {
    const api = join(place.folder, 'api.sock');
    const file = join(place.folder, 'config.json');
    writeFileSync(file, JSON.stringify(configuration(topology, place)));
    const cli = join(root, 'dist', 'switch', 'cli', 'main.js');
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
  },
};

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
