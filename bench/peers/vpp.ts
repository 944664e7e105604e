/** FD.io VPP: memif server interfaces in a bridge domain, or cross-connected in pairs; one worker. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freeHugePages } from '../huge-pages.js';
import type { Peer, Place, Topology } from '../peer.js';
import { onPath, Program, range, run } from '../programs.js';
import { tunnel } from '../tunnel.js';

const wantedPages = 300;

export const vpp: Peer = {
  name: 'vpp',
  what: 'VPP: a bridge domain that learns (`cross-connect`: l2 xconnect) of memif interfaces, one polling worker',
  version: () => run('vpp', ['--version']).trim(),
  missing({ ports, ends }) {
    if (!onPath('vpp')) {
      return 'vpp is not installed';
    }
    if (ends !== undefined) {
      return 'measured over memif only';
    }
    if (process.getuid?.() !== 0) {
      return 'needs root';
    }
    return ports <= 128
      ? undefined
      : 'its buffers for so many ports do not fit the heap given to it';
  },
  async start(topology, place) {
    const sockets = range(topology.ports).map((port) => join(place.folder, `${port}.sock`));
    const setup = join(place.folder, 'setup.vpp');
    const startup = join(place.folder, 'startup.conf');
    writeFileSync(setup, commands(topology, sockets));
    writeFileSync(startup, configuration(place, setup));
    const program = new Program('vpp', ['-c', startup]);
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

/** startup.conf: everything in our folder, so that a VPP that runs already is not met. */
function configuration({ folder, loadCpu, switchCpu }: Place, setup: string): string {
  const pages = freeHugePages() >= wantedPages ? 'default-hugepage' : 'default';
  return `unix {
  nodaemon
  runtime-dir ${folder}
  log ${join(folder, 'vpp.log')}
  cli-listen ${join(folder, 'cli.sock')}
  startup-config ${setup}
}
api-segment { prefix memswitch-bench-${process.pid} }
statseg { socket-name ${join(folder, 'stats.sock')} }
socksvr { socket-name ${join(folder, 'api.sock')} }
cpu { main-core ${loadCpu} corelist-workers ${switchCpu} }
memory { main-heap-size 1G }
buffers { buffers-per-numa 65536 page-size ${pages} }
plugins {
  plugin default { disable }
  plugin memif_plugin.so { enable }
  plugin vxlan_plugin.so { enable }
}
`;
}

/** Interface memif N+1/0 on a socket of its own is port N. What an older VPP might not know comes last. */
function commands(topology: Topology, sockets: string[]): string {
  const { forwarding, addresses, active } = topology;
  const name = (port: number) => `memif${port + 1}/0`;
  const made = sockets.flatMap((socket, port) => [
    `create memif socket id ${port + 1} filename ${socket}`,
    `create interface memif id 0 socket-id ${port + 1} master ring-size 1024 buffer-size 2048`,
    `set interface mtu packet 9216 ${name(port)}`,
    `set interface state ${name(port)} up`,
  ]);
  const bridged = topology.tunnel ? sockets.slice(0, 1) : sockets;
  const joined = bridged.map((_, port) =>
    forwarding === 'cross-connect'
      ? `set interface l2 xconnect ${name(port)} ${name(port ^ 1)}`
      : `set interface l2 bridge ${name(port)} 1`,
  );
  const bridge =
    forwarding === 'cross-connect' ? [] : ['create bridge-domain 1 learn 1 forward 1 flood 1'];
  const limit =
    forwarding === 'cross-connect'
      ? []
      : [`set bridge-domain learn-limit 1 ${2 * addresses * active + 1000}`];
  const polling = sockets.map((_, port) => `set interface rx-mode ${name(port)} polling`);
  const end = topology.tunnel ? tunnelEnd(name(1)) : [];
  return [...made, ...bridge, ...joined, ...end, ...limit, ...polling, ''].join('\n');
}

function tunnelEnd(underlay: string): string[] {
  const { vni, local, remote } = tunnel;
  return [
    `set interface mac address ${underlay} ${local.mac}`,
    `set interface ip address ${underlay} ${local.address}/${local.prefix}`,
    `create vxlan tunnel src ${local.address} dst ${remote.address} vni ${vni} instance 0`,
    'set interface l2 bridge vxlan_tunnel0 1',
  ];
}
