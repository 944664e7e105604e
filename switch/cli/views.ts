/** What `memswitch show` can show: where the API has it, and how people read it. */
import { stringify } from 'yaml';
import type { AttachmentStatus } from '../attach/attachment.js';
import type { BridgeStatus } from '../bridges.js';
import type { CaptureStatus } from '../captures.js';
import type { MacList } from '../macs.js';
import type { MirrorStatus } from '../mirrors.js';
import type { Device, PortStatus } from '../ports.js';
import type { Drop, QueueStatus, SwitchStatus, WorkerStatus } from '../status.js';
import type { RemoteStatus, TunnelStatus } from '../tunnels.js';
import { type Cell, list, number, type Rows, table } from './table.js';

/** An API object after JSON: its bigints came as numbers, which is exact enough to look at. */
type Wire<T> = T extends bigint ? number : { [K in keyof T]: Wire<T[K]> };

export interface View {
  path: string;
  /** Whether NAME picks one. */
  named: boolean;
  show(answer: never, many: boolean): string;
}

export const views: Record<string, View> = {
  switch: { path: '/v1/switch', named: false, show: showSwitch },
  ports: { path: '/v1/ports', named: true, show: showPorts },
  bridges: { path: '/v1/bridges', named: true, show: showBridges },
  macs: { path: '/v1/macs', named: false, show: showMacs },
  tunnels: { path: '/v1/tunnels', named: true, show: showTunnels },
  attachments: { path: '/v1/attachments', named: true, show: showAttachments },
  workers: { path: '/v1/workers', named: false, show: showWorkers },
  drops: { path: '/v1/drops', named: false, show: showDrops },
  mirrors: { path: '/v1/mirrors', named: true, show: showMirrors },
  captures: { path: '/v1/captures', named: false, show: showCaptures },
};

/** What the same is called elsewhere: `bridge fdb`, VPP's `show interface`, `show runtime` and `show errors`. */
export const otherNames: Record<string, string> = {
  port: 'ports',
  interface: 'ports',
  bridge: 'bridges',
  'bridge-domain': 'bridges',
  fdb: 'macs',
  mac: 'macs',
  runtime: 'workers',
  errors: 'drops',
};

function showSwitch({ rx, tx, pid, ...rest }: Wire<SwitchStatus>): string {
  return list({ pid: String(pid), ...rest, ...flat('rx', rx), ...flat('tx', tx) });
}

function showAttachments(answer: AttachmentStatus | AttachmentStatus[]): string {
  if (!Array.isArray(answer)) {
    const { note: _, port: __, routes: ___, addresses = [], problems, host, ...rest } = answer;
    const texts = { addresses: addresses.join(' '), problems: problems.join('; ') };
    const told = { ...(host && { host: `${host.name} ${host.mac}` }), ...texts };
    return list({ ...rest, ...told } as Record<string, Cell>);
  }
  const rows = answer.map(({ id, network, container, kind, bridge, state, ...more }) => ({
    attachment: id,
    network,
    container: container.slice(0, 12),
    interface: more.interface,
    kind: more.driver === undefined ? kind : `${kind} ${more.driver}`,
    bridge,
    state,
    addresses: more.addresses?.join(' ') ?? '',
    socket: more.socket ?? '',
  }));
  return rows.length > 0 ? table(rows) : 'no attachments';
}

function showPorts(answer: Wire<PortStatus> | Wire<PortStatus>[]): string {
  if (!Array.isArray(answer)) {
    return showPort(answer);
  }
  const rows = answer.map(({ name, kind, bridge, link, rx, tx, drops, macs, peer, device }) => ({
    port: name,
    kind,
    bridge,
    link,
    'rx frames': rx.frames,
    'tx frames': tx.frames,
    drops: Object.values(drops).reduce((sum, frames) => sum + frames, 0),
    macs,
    peer: peer?.name ?? device?.name ?? null,
  }));
  return rows.length > 0 ? table(rows) : 'no ports';
}

function showPort(port: Wire<PortStatus>): string {
  const { rx, tx, drops, peer, device, protocolErrors, options, ...others } = port;
  const { antiSpoof, rateLimit, storm, trunk, ...rest } = others;
  return list({
    ...rest,
    trunk: trunk?.join(', ') ?? null,
    antiSpoof: antiSpoof && parts(antiSpoof),
    rateLimit: rateLimit && parts(rateLimit),
    storm: storm && parts(storm),
    peer: peer && `${peer.name} (process ${peer.pid}, user ${peer.uid})`,
    rings: peer && `${peer.queues} × ${peer.ringSize}`,
    ...(device && showDevice(device)),
    ...flat('rx', rx),
    ...flat('tx', tx),
    drops: counts(drops),
    protocolErrors: counts(protocolErrors),
    ...options,
  });
}

/** As in a configuration, in one line. */
function parts(policy: object): string {
  return stringify(policy, null, { collectionStyle: 'flow', lineWidth: 0 }).trim();
}

/** Those that happened, in one line. */
function counts(times: Record<string, number>): string {
  const happened = Object.entries(times).filter(([, count]) => count > 0);
  return happened.map(([what, count]) => `${what} ${number(count)}`).join(', ');
}

function vlanFilter({
  filtersVlans,
  refusedVlans,
}: Pick<Device, 'filtersVlans' | 'refusedVlans'>): string {
  const lacks = refusedVlans > 0 ? `, but has no place for ${refusedVlans}` : '';
  return filtersVlans ? `by the device${lacks}` : 'none by the device';
}

function showDevice({ name, driver, mac, mtu, speed, numa, statistics, ...rest }: Wire<Device>) {
  const checksums = [rest.checksRx && 'received', rest.checksTx && 'sent'].filter(Boolean);
  const counted = Object.entries(statistics).filter(([, value]) => value > 0);
  return {
    device: `${name} (${driver})`,
    address: mac,
    mtu,
    speed: speed > 0 ? `${number(speed)} Mbit/s` : 'unknown',
    'NUMA node': numa >= 0 ? numa : 'none',
    promiscuous: rest.promiscuous,
    'wakes by': rest.wake === 'never' ? 'nothing: polled' : rest.wake,
    'link interrupts': rest.linkInterrupts,
    'VLAN filter': vlanFilter(rest),
    checksums: checksums.length > 0 ? checksums.join(', ') : 'none by the device',
    'device queues': `${rest.queues} × ${rest.ringSize}`,
    'device counts': counted.map(([name, value]) => `${name} ${number(value)}`).join(', '),
  } satisfies Record<string, Cell>;
}

function showBridges(answer: Wire<BridgeStatus> | Wire<BridgeStatus>[]): string {
  if (!Array.isArray(answer)) {
    return list({ ...answer, ports: answer.ports.join(', ') });
  }
  const rows = answer.map(({ name, ports, ...rest }) => ({
    bridge: name,
    ...rest,
    ports: ports.join(', '),
  }));
  return rows.length > 0 ? table(rows) : 'no bridges';
}

function showMacs({ total, macs }: Wire<MacList>): string {
  const more = total > macs.length ? `\n${number(total - macs.length)} more; see --limit` : '';
  const tunnelled = macs.some(({ remote }) => remote !== null);
  const inVlans = macs.some(({ vlan }) => vlan !== null);
  const rows = macs.map(({ bridge, mac, vlan, remote, ...entry }) => ({
    bridge,
    mac,
    ...(inVlans ? { vlan } : {}),
    ...entry,
    ...(tunnelled ? { remote } : {}),
  }));
  return rows.length > 0 ? `${table(rows)}${more}` : 'no addresses';
}

/** A line for each remote. */
function showTunnels(answer: Wire<TunnelStatus> | Wire<TunnelStatus>[]): string {
  const rows = [answer].flat().flatMap(({ port, bridge, vni, local, remotes }): Rows => {
    const tunnel = { port, bridge, vni: String(vni), local };
    return remotes.length > 0
      ? remotes.map((remote) => ({ ...tunnel, ...remoteCells(remote) }))
      : [{ ...tunnel, ...noRemote }];
  });
  return rows.length > 0 ? table(rows) : 'no tunnels';
}

function remoteCells({ address, rx, tx, innerMtu, ...rest }: Wire<RemoteStatus>) {
  const { kind, state, heard, macs, drops } = rest;
  const traffic = { 'rx frames': rx.frames, 'tx frames': tx.frames, drops };
  return { remote: address, kind, state, 'inner mtu': innerMtu, heard, macs, ...traffic };
}

const noRemote = {
  remote: null,
  kind: null,
  state: null,
  'inner mtu': null,
  heard: null,
  macs: null,
  'rx frames': null,
  'tx frames': null,
  drops: null,
} satisfies Record<keyof ReturnType<typeof remoteCells>, null>;

/** `web:0 12%`, with `!` where somebody put it there by hand. */
function showQueue({ port, queue, load, byHand }: Wire<QueueStatus>): string {
  return `${port}:${queue}${byHand ? '!' : ''} ${Math.round(100 * load)}%`;
}

function showWorkers(workers: Wire<WorkerStatus>[]): string {
  return table(
    workers.map(({ worker, cpu, node, polling, running, busy, queues, sleeps, ...rest }) => ({
      worker,
      cpu,
      polling,
      running,
      node,
      'busy %': Math.round(100 * busy),
      'frames/burst': Math.round(rest.framesPerBurst),
      'cycles/frame': Math.round(rest.cyclesPerFrame),
      frames: rest.frames,
      sleeps,
      queues: queues.map(showQueue).join(' '),
    })),
  );
}

function showDrops(drops: Wire<Drop>[]): string {
  return drops.length > 0 ? table(drops.map((drop) => ({ ...drop }))) : 'nothing was dropped';
}

function showMirrors(answer: Wire<MirrorStatus> | Wire<MirrorStatus>[]): string {
  const rows = [answer].flat().map(({ name, from, copies, ...rest }) => ({
    mirror: name,
    from: from.join(', '),
    ...rest,
    'copied frames': copies.frames,
    'copied bytes': copies.bytes,
  }));
  return rows.length > 0 ? table(rows) : 'no mirrors';
}

function showCaptures(captures: Wire<CaptureStatus>[]): string {
  const rows = captures.map(({ ports, ...rest }) => ({ ...rest, ports: ports.join(', ') }));
  return rows.length > 0 ? table(rows) : 'no captures';
}

function flat(prefix: string, { frames, bytes }: { frames: number; bytes: number }) {
  return { [`${prefix} frames`]: frames, [`${prefix} bytes`]: bytes } satisfies Record<
    string,
    Cell
  >;
}
