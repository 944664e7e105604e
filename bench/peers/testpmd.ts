/** DPDK's testpmd between net_memif servers, in two of its modes. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DeviceEnds } from '../device-ends.js';
import { freeHugePages } from '../huge-pages.js';
import type { Peer, Topology } from '../peer.js';
import { onPath, Program, range, run } from '../programs.js';

const folders = '/usr/lib/x86_64-linux-gnu/dpdk';
/** Of 2 MB, for 256 MB of packets. */
const wantedPages = 130;

function testpmd(name: string, mode: string, what: string): Peer {
  return {
    name,
    what,
    version: () => run('pkg-config', ['--modversion', 'libdpdk']).trim(),
    missing({ forwarding, ports }) {
      if (!onPath('dpdk-testpmd')) {
        return 'dpdk-testpmd is not installed (Debian: dpdk-dev)';
      }
      if (forwarding === 'flood') {
        return 'ties ports in pairs and cannot flood';
      }
      return ports <= 32 ? undefined : 'DPDK takes 32 ports';
    },
    async start(topology, place) {
      const { folder, switchCpu, loadCpu } = place;
      const ends = DeviceEnds.of(topology, place);
      const sockets = range(topology.ports).map((port) => join(folder, `${port}.sock`));
      const eal = ['--lcores', `0@${loadCpu},1@${switchCpu}`, ...memory(), ...drivers()];
      const app = [
        `--forward-mode=${mode}`,
        '--auto-start',
        '--disable-link-check',
        '--no-mlockall',
      ];
      const isLoad = (port: number) => (ends?.ends[port] ?? 'memif') === 'memif';
      const vdevs = sockets.map((socket, port) =>
        isLoad(port) ? device(socket, port) : `--vdev=${ends?.devargs(port)}`,
      );
      const ask = ends === undefined ? [] : ['-i'];
      const args = [...eal, ...vdevs, '--', ...app, ...buffers(topology), ...ask];
      // Its lines come when they are written, not when a buffer is full.
      const program = new Program('stdbuf', ['-oL', 'dpdk-testpmd', ...args]);
      await program.until(() => /Press enter to exit|testpmd> /.test(program.output));
      return {
        endpoints: [
          ...sockets.filter((_, port) => isLoad(port)).map((socket) => `memif:${socket}`),
          ...(topology.tunnel && ends ? ends.farEnds() : []),
        ],
        ...(ends?.ends[1] !== 'memif' &&
          ends && { arrived: async () => ends.arrived() ?? (await sent(program)) }),
        queues: 1,
        pids: [program.pid],
        pause: () => program.pause(),
        resume: () => program.resume(),
        async stop() {
          await program.stop();
          ends?.remove();
        },
      };
    },
  };
}

/** Frames that left by port 1, as it tells itself. */
async function sent(program: Program): Promise<number> {
  program.output = '';
  program.child.stdin?.write('show port stats 1\n');
  const told = () => /TX-packets: (\d+)[\s\S]*testpmd> /.exec(program.output)?.[1];
  await program.until(() => told() !== undefined);
  return Number(told());
}

function memory(): string[] {
  // Without huge pages there is no `--in-memory`.
  const pages = freeHugePages() >= wantedPages ? '--in-memory' : '--no-huge';
  return ['--no-pci', '--no-telemetry', '--no-shconf', '--log-level=3', pages, '-m', '256'];
}

function drivers(): string[] {
  const folder = readdirSync(folders).find((name) => name.startsWith('pmds-')) ?? '';
  const names = ['net_memif', 'net_pcap', 'net_null', 'net_af_xdp', 'mempool_ring', 'bus_vdev'];
  return names.flatMap((name) => ['-d', join(folders, folder, `librte_${name}.so`)]);
}

function device(socket: string, index: number): string {
  const place = `socket=${socket},socket-abstract=no`;
  return `--vdev=net_memif${index},role=server,id=0,${place},rsize=10,bsize=2048`;
}

function buffers({ ports }: Topology): string[] {
  return [`--total-num-mbufs=${Math.max(16_384, 4096 * ports)}`];
}

export const testpmdIo = testpmd(
  'testpmd-io',
  'io',
  'DPDK testpmd, `io`: passes frames between two net_memif ports and looks nothing up',
);

export const testpmdMac = testpmd(
  'testpmd-mac',
  'mac',
  'DPDK testpmd, `mac`: the same, and writes both addresses anew, as the L2 forwarding example does',
);
