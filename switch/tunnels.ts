/** Tunnels and their remotes, by names. */
import { remoteMistake, vtepSchema } from '../ports/vxlan.js';
import { parse } from './config/mistakes.js';
import type { Traffic } from './counters.js';
import { invalid, nativeCall, SwitchError } from './errors.js';
import type { NativeRemote, NativeSwitch } from './native.js';
import type { Ports } from './ports.js';

/** The other end of a tunnel. */
export interface RemoteStatus {
  address: string;
  /** `learned`: nobody listed it, but a frame came from it. */
  kind: 'configured' | 'learned';
  /** `unreachable`: there is no way to it. */
  state: 'up' | 'unreachable';
  /** Longest IP packet that the way to it carries, in bytes; null while it is not known. */
  mtu: number | null;
  /** Longest IP packet inside the tunnel that fits there. */
  innerMtu: number | null;
  /** Seconds since a frame came from it; null: none did. */
  heard: number | null;
  /** Addresses behind it. */
  macs: number;
  /** Inner frames and their bytes. */
  rx: Traffic;
  tx: Traffic;
  /** Frames to it that were dropped. */
  drops: bigint;
}

/** A port of kind `vxlan` with its remotes. */
export interface TunnelStatus {
  port: string;
  bridge: string;
  vni: number;
  local: string;
  udpPort: number;
  underlay: string;
  remotes: RemoteStatus[];
}

/** Outer IP, UDP and VXLAN headers, and the inner Ethernet header. */
const overhead = { ipv4: 20 + 8 + 8 + 14, ipv6: 40 + 8 + 8 + 14 };

export class Tunnels {
  readonly #native: NativeSwitch;
  readonly #ports: Ports;

  constructor(owner: NativeSwitch, ports: Ports) {
    this.#native = owner;
    this.#ports = ports;
  }

  all(): TunnelStatus[] {
    return this.#native.tunnels().flatMap(({ port, remotes }): TunnelStatus[] => {
      const name = this.#ports.nameOf(port);
      return name === undefined ? [] : [this.#status(name, remotes)];
    });
  }

  one(port: string): TunnelStatus {
    this.#options(port);
    return this.all().find((tunnel) => tunnel.port === port) as TunnelStatus;
  }

  addRemote(port: string, remote: string): void {
    const options = this.#options(port);
    const address = parse(vtepSchema, remote, ['remote']);
    const mistake = remoteMistake(options.local, address, []);
    if (mistake) {
      throw invalid([{ path: 'remote', message: `${mistake}, got "${address}"` }], { port });
    }
    this.#call(port, (id) => this.#native.addRemote(id, address));
    this.#ports.change(port, { ...options, remotes: [...options.remotes, address] });
  }

  setRemotes(port: string, remotes: readonly string[]): void {
    const before = this.#options(port).remotes;
    for (const remote of before.filter((each) => !remotes.includes(each))) {
      this.removeRemote(port, remote);
    }
    for (const remote of remotes.filter((each) => !before.includes(each))) {
      this.addRemote(port, remote);
    }
  }

  removeRemote(port: string, remote: string): void {
    const options = this.#options(port);
    const address = parse(vtepSchema, remote, ['remote']);
    this.#call(port, (id) => this.#native.removeRemote(id, address));
    const remotes = options.remotes.filter((other) => other !== address);
    this.#ports.change(port, { ...options, remotes });
  }

  #call(port: string, call: (id: number) => void): void {
    const id = this.#ports.id(port);
    nativeCall(`tunnel "${port}"`, () => call(id), { port });
  }

  #options(port: string) {
    const options = this.#ports.options(port);
    if (options.kind !== 'vxlan') {
      throw new SwitchError(
        'INVALID',
        `port "${port}" is not a tunnel but of kind ${options.kind}`,
        {
          port,
          hint: 'name a port of kind vxlan',
        },
      );
    }
    return options;
  }

  #status(name: string, remotes: NativeRemote[]): TunnelStatus {
    const { bridge, vni, local, port: udpPort, underlay } = this.#options(name);
    return { port: name, bridge, vni, local, udpPort, underlay, remotes: remotes.map(shown) };
  }
}

function shown(remote: NativeRemote): RemoteStatus {
  const { address, configured, reachable, mtu, heard, macs, drops } = remote;
  const around = address.includes(':') ? overhead.ipv6 : overhead.ipv4;
  return {
    address,
    kind: configured ? 'configured' : 'learned',
    state: reachable ? 'up' : 'unreachable',
    mtu: mtu || null,
    innerMtu: mtu ? mtu - around : null,
    heard: heard < 0 ? null : heard,
    macs,
    rx: { frames: remote.rxFrames, bytes: remote.rxBytes },
    tx: { frames: remote.txFrames, bytes: remote.txBytes },
    drops,
  };
}
