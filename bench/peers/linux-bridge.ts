/**
 * The kernel's bridge over veth pairs: what a container has without doing anything. The load writes to packet sockets;
 * receive packet steering hands what it sends to the other core, where the bridge runs in softirq.
 */
import { writeFileSync } from 'node:fs';
import type { Peer, Topology } from '../peer.js';
import { onPath, range, run } from '../programs.js';

let count = 0;

export const linuxBridge: Peer = {
  name: 'linux-bridge',
  what: 'the kernel bridge over veth, its softirqs on the switch core by RPS; the load on packet sockets',
  version: () => run('uname', ['-r']).trim(),
  missing({ forwarding, ports }) {
    if (process.getuid?.() !== 0) {
      return 'needs root to make interfaces';
    }
    if (!onPath('ip')) {
      return 'the program `ip` is not installed (Debian: iproute2)';
    }
    if (forwarding === 'cross-connect') {
      return 'measured as a bridge';
    }
    return ports <= 16 ? undefined : 'so many packet sockets take too long to set up';
  },
  async start(topology, { switchCpu }) {
    const prefix = `mb${process.pid.toString(36)}${(count++).toString(36)}`;
    const names = range(topology.ports).map((port) => `${prefix}p${port}`);
    const stop = async () => {
      // The other ends go with them.
      for (const name of names) {
        runQuietly('ip', ['link', 'del', name]);
      }
      runQuietly('ip', ['link', 'del', prefix]);
    };
    try {
      makeBridge(prefix, names, topology, (1 << switchCpu).toString(16));
    } catch (error) {
      await stop();
      throw error;
    }
    return {
      endpoints: names.map((name) => `packet:${name}`),
      queues: 1,
      pids: [],
      // It does nothing unless frames come.
      pause: () => undefined,
      resume: () => undefined,
      stop,
    };
  },
};

function makeBridge(bridge: string, names: string[], { largest }: Topology, cpus: string): void {
  const mtu = String(Math.max(1504, largest));
  run('ip', ['link', 'add', bridge, 'type', 'bridge', 'stp_state', '0', 'mcast_snooping', '0']);
  for (const name of names) {
    run('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}b`]);
    for (const end of [name, `${name}b`]) {
      writeFileSync(`/proc/sys/net/ipv6/conf/${end}/disable_ipv6`, '1');
      writeFileSync(`/sys/class/net/${end}/queues/rx-0/rps_cpus`, cpus);
      run('ip', ['link', 'set', end, 'mtu', mtu]);
    }
    run('ip', ['link', 'set', `${name}b`, 'master', bridge]);
    run('ip', ['link', 'set', `${name}b`, 'up']);
    run('ip', ['link', 'set', name, 'up']);
  }
  run('ip', ['link', 'set', bridge, 'up']);
}

function runQuietly(command: string, args: string[]): void {
  try {
    run(command, args);
  } catch {
    // Was not there.
  }
}
