/** Peers that nobody here wrote: DPDK's testpmd over net_memif, and the Linux network stack behind it. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Program, run, until } from './processes.js';

const drivers = '/usr/lib/x86_64-linux-gnu/dpdk';

/** Why the tests can't run here; undefined: they can. */
export function missing(): string | undefined {
  if (process.getuid?.() !== 0) {
    return 'needs root (network namespaces, TAP devices)';
  }
  const programs = ['/usr/bin/dpdk-testpmd', '/usr/bin/iperf3', '/usr/bin/ping', '/usr/sbin/ip'];
  const absent = programs.find((path) => !existsSync(path));
  return absent && `needs ${absent}`;
}

function driverOptions(names: string[]): string[] {
  const folder = readdirSync(drivers).find((name) => name.startsWith('pmds-')) ?? '';
  return names.flatMap((name) => ['-d', join(drivers, folder, `librte_${name}.so`)]);
}

export interface TestpmdOptions {
  /** Its forwarding thread's CPU. */
  cpu: 0 | 1;
  vdevs: string[];
  mode: 'io' | 'icmpecho' | 'rxonly';
  netns?: string;
  /** Takes commands by `say()`, and forwards nothing before the command `start`. */
  interactive?: boolean;
  extra?: string[];
  memory?: string[];
  /** Packet buffers. */
  mbufs?: number;
}

export function testpmd(options: TestpmdOptions): Program {
  const { cpu, vdevs, mode, netns, interactive = false, extra = [], mbufs = 4096 } = options;
  const { memory = ['--no-huge', '--no-shconf', '-m', '64'] } = options;
  const eal = ['--lcores', `0@0,1@${cpu}`, '--no-pci', '--no-telemetry', ...memory];
  const drivers = vdevs.map((vdev) => vdev.replace(/(_user)?\d*,.*/, ''));
  const loaded = new Set([...drivers, 'mempool_ring', 'bus_vdev']);
  const app = [`--forward-mode=${mode}`, '--disable-link-check', '--no-mlockall'];
  // Into a pipe it would say nothing before it has 4 kB to say.
  const command = ['stdbuf', '-oL', 'dpdk-testpmd'];
  const args = [
    ...eal,
    ...driverOptions([...loaded]),
    ...vdevs.map((vdev) => `--vdev=${vdev}`),
    '--',
    ...app,
    `--total-num-mbufs=${mbufs}`,
    ...(interactive ? ['--interactive'] : ['--auto-start', '--stats-period=1000']),
    ...extra,
  ];
  const place = netns === undefined ? [] : ['ip', 'netns', 'exec', netns];
  const [program = '', ...rest] = [...place, ...command, ...args];
  return new Program(program, rest);
}

export interface MemifDevice {
  number: number;
  role: 'server' | 'client';
  /** A path. */
  socket: string;
  id?: number;
  zeroCopy?: boolean;
}

/** Devargs of a net_memif device. */
export function memif({ number, role, socket, id = 0, zeroCopy = false }: MemifDevice): string {
  const copies = zeroCopy ? 'yes' : 'no';
  const place = `socket=${socket},socket-abstract=no,id=${id}`;
  return `net_memif${number},role=${role},${place},rsize=10,bsize=2048,zero-copy=${copies}`;
}

/** A net_memif client's devargs; `rings` is the logarithm of their size. '@name' is an abstract socket. */
export function memifClient(socket: string, rings = 10, buffers = 2048, more = 'id=0'): string {
  const abstract = socket.startsWith('@');
  const place = abstract
    ? `socket=${socket.slice(1)},socket-abstract=yes`
    : `socket=${socket},socket-abstract=no`;
  return `net_memif0,role=client,${place},rsize=${rings},bsize=${buffers},${more}`;
}

/** A network namespace with one interface: a TAP device that a testpmd relays to a memif port. */
export class Host {
  readonly netns: string;
  readonly address: string;
  readonly mac: string;
  readonly #socket: string;
  readonly #cpu: 0 | 1;
  #relay: Program | undefined;

  constructor(number: 1 | 2, socket: string) {
    this.netns = `msw${process.pid}-${number}`;
    this.address = `10.77.0.${number}`;
    this.mac = `02:00:00:00:77:0${number}`;
    this.#socket = socket;
    this.#cpu = number === 1 ? 0 : 1;
    run('ip', 'netns', 'add', this.netns);
    this.exec('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
    this.exec('ip', 'link', 'set', 'lo', 'up');
  }

  /** Starts the relay; resolves to it when the interface is there. */
  async attach(): Promise<Program> {
    const relay = testpmd({
      cpu: this.#cpu,
      mode: 'io',
      netns: this.netns,
      vdevs: [memifClient(this.#socket), `net_tap0,iface=eth0,mac=${this.mac}`],
    });
    this.#relay = relay;
    await until('the relay and its interface', () => {
      if (!relay.running) {
        throw new Error(`testpmd ended: ${relay.output}`);
      }
      return this.exec('ip', '-o', 'link').includes('eth0');
    });
    this.exec('ip', 'addr', 'add', `${this.address}/24`, 'dev', 'eth0');
    this.exec('ip', 'link', 'set', 'eth0', 'up');
    return relay;
  }

  /** Kills the relay; its TAP device goes with it. */
  async detach(): Promise<void> {
    await this.#relay?.end('SIGKILL');
  }

  exec(command: string, ...args: string[]): string {
    return run('ip', 'netns', 'exec', this.netns, command, ...args);
  }

  start(command: string, ...args: string[]): Program {
    return new Program('ip', ['netns', 'exec', this.netns, command, ...args]);
  }

  async remove(): Promise<void> {
    await this.#relay?.end();
    run('ip', 'netns', 'del', this.netns);
  }
}
