/** What to do to make of a running switch the one that a configuration describes. Changes nothing itself. */
import { isDeepStrictEqual } from 'node:util';
import { kindOf, type Port } from '../../ports/index.js';
import { portChangesSchema } from '../../ports/kind.js';
import type { CompleteMirror } from '../mirrors.js';
import type { PortChanges } from '../ports.js';
import type { Configuration } from './check.js';
import type { Bridge } from './schema.js';

export interface StaticAddress {
  bridge: string;
  mac: string;
  port: string;
  /** Of a tunnel: the one of its remotes that it is behind. */
  remote?: string | undefined;
}

/** What there is. */
export interface Running {
  bridges: Readonly<Record<string, Bridge>>;
  ports: Readonly<Record<string, Port>>;
  statics: readonly StaticAddress[];
  mirrors: Readonly<Record<string, CompleteMirror>>;
}

/** One difference. */
export interface Change {
  /**
   * `change`: in place, no frame is lost. `replace`: removed and added again, because an option cannot change on a live one;
   * a bridge keeps its ports meanwhile and forgets what it learned.
   */
  action: 'add' | 'change' | 'replace' | 'remove';
  what: 'bridge' | 'port' | 'static' | 'worker' | 'placement' | 'mirror';
  /** Of a static address: the address and its bridge. */
  name: string;
  /** What is other, for example `mtu: 9000 → 1500`. */
  details: string[];
}

/** Whether something that the configuration does not name is to go. */
export type Owned = (what: Change['what'], name: string) => boolean;

/** Options that `Ports.set` takes for a live port. */
export const livePortKeys = Object.keys(portChangesSchema.shape) as (keyof PortChanges)[];

/** Also by which a port need not be replaced. */
export const liveKeys: ReadonlySet<string> = new Set<string>([...livePortKeys, 'remotes']);

export function difference(now: Running, wanted: Configuration, owned: Owned): Change[] {
  const ports = portChanges(now, wanted, owned);
  return [
    ...bridgeChanges(now, wanted),
    ...ports,
    ...staticChanges(now, wanted, owned, ports),
    ...mirrorChanges(now, wanted, owned, ports),
    ...bridgesToRemove(now, wanted, owned, ports),
  ];
}

/** The static addresses of a configuration. */
export function staticsOf({ bridges }: Configuration): StaticAddress[] {
  return Object.entries(bridges).flatMap(([bridge, options]) =>
    Object.entries(options.static).map(([mac, place]) => {
      return { bridge, mac: mac.toLowerCase(), ...place };
    }),
  );
}

export function staticName({ mac, bridge }: Pick<StaticAddress, 'mac' | 'bridge'>): string {
  return `${mac} ${bridge}`;
}

function bridgeChanges(now: Running, wanted: Configuration): Change[] {
  return Object.entries(wanted.bridges).flatMap(([name, { static: _, ...bridge }]): Change[] => {
    const before = now.bridges[name];
    if (!before) {
      return [{ action: 'add', what: 'bridge', name, details: [] }];
    }
    const { keys, details } = compare(before, bridge);
    const action = keys.includes('macLimit') || keys.includes('vlans') ? 'replace' : 'change';
    return keys.length > 0 ? [{ action, what: 'bridge', name, details }] : [];
  });
}

function portChanges(now: Running, wanted: Configuration, owned: Owned): Change[] {
  const gone = Object.keys(now.ports).filter(
    (name) => !(name in wanted.ports) && owned('port', name),
  );
  const removed = gone.map((name): Change => {
    return { action: 'remove', what: 'port', name, details: [] };
  });
  const changed = Object.entries(wanted.ports).flatMap(([name, port]): Change[] => {
    const before = now.ports[name];
    if (!before) {
      return [{ action: 'add', what: 'port', name, details: [] }];
    }
    const { keys, details } = compare(before, port);
    const action = keys.every((key) => liveKeys.has(key)) ? 'change' : 'replace';
    return keys.length > 0 ? [{ action, what: 'port', name, details }] : [];
  });
  return withTunnels(now, wanted, [...removed, ...changed]);
}

/** A tunnel cannot be without the port that carries it: it is replaced together with that. */
function withTunnels(now: Running, wanted: Configuration, changes: Change[]): Change[] {
  const replaced = new Set(namesOf(changes, 'replace'));
  const changed = new Set(changes.map(({ name }) => name));
  const carried = Object.entries(now.ports).flatMap(([name, port]): Change[] => {
    const underlay = kindOf(port).underlay?.(port) ?? '';
    const details = [`its underlay "${underlay}" is replaced`];
    const affected = replaced.has(underlay) && name in wanted.ports && !changed.has(name);
    return affected ? [{ action: 'replace', what: 'port', name, details }] : [];
  });
  return [
    ...changes.map((change) => {
      const port = now.ports[change.name];
      const underlay = port && kindOf(port).underlay?.(port);
      const carriedAlong = change.action === 'change' && replaced.has(underlay ?? '');
      return carriedAlong ? { ...change, action: 'replace' as const } : change;
    }),
    ...carried,
  ];
}

function staticChanges(
  now: Running,
  wanted: Configuration,
  owned: Owned,
  ports: Change[],
): Change[] {
  const goals = staticsOf(wanted);
  const there = new Map(now.statics.map((each) => [staticName(each), each]));
  const named = new Set(goals.map(staticName));
  // Addresses go with their port, and come again with it when it is only replaced or moved.
  const lost = new Set([...namesOf(ports, 'remove'), ...namesOf(ports, 'replace')]);
  for (const name of namesOf(ports, 'change')) {
    if (now.ports[name]?.bridge !== wanted.ports[name]?.bridge) {
      lost.add(name);
    }
  }
  const added = goals.flatMap((goal): Change[] => {
    const before = there.get(staticName(goal));
    const same = before?.port === goal.port && before.remote === goal.remote;
    const kept = same && !lost.has(goal.port);
    const action = before && !lost.has(before.port) ? 'change' : 'add';
    const details = [`at port ${goal.port}${goal.remote ? `, remote ${goal.remote}` : ''}`];
    return kept ? [] : [{ action, what: 'static', name: staticName(goal), details }];
  });
  const removed = now.statics
    .filter((each) => !named.has(staticName(each)) && owned('static', staticName(each)))
    .filter(({ port }) => !lost.has(port))
    .map((each): Change => {
      return { action: 'remove', what: 'static', name: staticName(each), details: [] };
    });
  return [...removed, ...added];
}

/** A mirror is made anew for any change, and with the port that gets its copies. */
function mirrorChanges(
  now: Running,
  wanted: Configuration,
  owned: Owned,
  ports: Change[],
): Change[] {
  const replaced = new Set(namesOf(ports, 'replace'));
  const changed = Object.entries(wanted.mirrors).flatMap(([name, mirror]): Change[] => {
    const before = now.mirrors[name];
    if (!before) {
      return [{ action: 'add', what: 'mirror', name, details: [] }];
    }
    const { keys, details } = compare(before, mirror);
    return keys.length > 0 ? [{ action: 'replace', what: 'mirror', name, details }] : [];
  });
  const others = Object.entries(now.mirrors).flatMap(([name, { to }]): Change[] => {
    if (!(name in wanted.mirrors) && owned('mirror', name)) {
      return [{ action: 'remove', what: 'mirror', name, details: [] }];
    }
    const affected = replaced.has(to) && changed.every((change) => change.name !== name);
    const details = [`its port "${to}" is replaced`];
    return affected ? [{ action: 'replace', what: 'mirror', name, details }] : [];
  });
  return [...others, ...changed];
}

/** Those without a port in the end. */
function bridgesToRemove(
  now: Running,
  wanted: Configuration,
  owned: Owned,
  ports: Change[],
): Change[] {
  const gone = new Set(namesOf(ports, 'remove'));
  const stay = Object.entries(now.ports).filter(([name]) => !gone.has(name));
  const used = new Set(stay.map(([name, { bridge }]) => wanted.ports[name]?.bridge ?? bridge));
  return Object.keys(now.bridges)
    .filter((name) => !(name in wanted.bridges) && owned('bridge', name) && !used.has(name))
    .map((name) => ({ action: 'remove', what: 'bridge', name, details: [] }));
}

function namesOf(changes: Change[], action: Change['action']): string[] {
  return changes.filter((change) => change.action === action).map(({ name }) => name);
}

function compare(before: object, after: object): { keys: string[]; details: string[] } {
  const [old, fresh] = [before, after] as Record<string, unknown>[];
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (key) => !isDeepStrictEqual(old?.[key], fresh?.[key]),
  );
  const details = keys.map((key) =>
    key === 'secret' ? 'secret' : `${key}: ${text(old?.[key])} → ${text(fresh?.[key])}`,
  );
  return { keys, details };
}

function text(value: unknown): string {
  return value === undefined
    ? 'none'
    : typeof value === 'string'
      ? value || "''"
      : JSON.stringify(value);
}
