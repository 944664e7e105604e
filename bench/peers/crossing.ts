/** What two cores and a cache can do: memif rings with no switch between them (bench/crossing.cc). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer } from '../peer.js';
import { built, Program, range } from '../programs.js';

function tied(name: string, what: string, args: string[]): Peer {
  return {
    name,
    what,
    version: () => '',
    missing({ forwarding, ports }) {
      if (forwarding === 'flood') {
        return 'ties ports in pairs and cannot flood';
      }
      return ports % 2 === 0 ? undefined : 'ties ports in pairs';
    },
    async start({ ports }, { folder, switchCpu }) {
      const sockets = range(ports).map((port) => join(folder, `${port}.sock`));
      const program = new Program(built('crossing'), [...args, ...sockets], { cpu: switchCpu });
      await program.until(() => sockets.every(existsSync));
      return {
        endpoints: sockets.map((socket) => `memif:${socket}`),
        queues: 1,
        pids: [program.pid],
        pause: () => program.pause(),
        resume: () => program.resume(),
        stop: () => program.stop(),
      };
    },
  };
}

export const crossing = tied(
  'crossing',
  'no switch: frames go from ring to ring by the best copy, unchecked; the ceiling of every switch',
  [],
);

export const unmoved = tied(
  'unmoved',
  'no switch and no copy: frames are only announced; the ceiling of the load itself',
  ['--unmoved'],
);
