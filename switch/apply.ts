/**
 * Makes a running switch what a configuration describes: the differences in an order in which each finds what it needs, all of
 * them or none. Everything happens in one turn of the event loop, so that nobody sees or changes half of it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Port } from '../ports/index.js';
import type { Bridges } from './bridges.js';
import { type Configuration, underlaysFirst } from './config/check.js';
import {
  type Change,
  difference,
  livePortKeys,
  type Owned,
  type Running,
  type StaticAddress,
  staticName,
  staticsOf,
} from './config/difference.js';
import type { Bridge } from './config/schema.js';
import { SwitchError } from './errors.js';
import type { Macs } from './macs.js';
import type { Mirrors } from './mirrors.js';
import type { PortChanges, Ports } from './ports.js';
import type { Tunnels } from './tunnels.js';

interface Step {
  run(): void;
  undo(): void;
}

export interface Parts {
  bridges: Bridges;
  ports: Ports;
  macs: Macs;
  tunnels: Tunnels;
  mirrors: Mirrors;
}

export class Applier {
  readonly #parts: Parts;
  /** What configurations brought: only that goes when a later one does not name it. As `port web`. */
  #owned: Set<string>;

  constructor(parts: Parts, first: Configuration) {
    this.#parts = parts;
    this.#owned = ownedBy(first);
  }

  /** @param prune whether also what no configuration brought goes. */
  plan(wanted: Configuration, prune: boolean): Change[] {
    return difference(this.#running(), wanted, this.#mayGo(prune));
  }

  /** All of it, or nothing and an error. */
  run(wanted: Configuration, prune: boolean): Change[] {
    const changes = this.plan(wanted, prune);
    const done: Step[] = [];
    try {
      for (const step of this.#steps(changes, wanted, this.#mayGo(prune))) {
        step.run();
        done.push(step);
      }
    } catch (cause) {
      throw undone(cause, done);
    }
    this.#owned = ownedBy(wanted);
    return changes;
  }

  /** What there is: what configurations brought, and the rest. */
  state(): { brought: Running; live: Running } {
    const now = this.#running();
    const part = (ours: boolean): Running => ({
      bridges: only(now.bridges, (name) => this.#owned.has(`bridge ${name}`) === ours),
      ports: only(now.ports, (name) => this.#owned.has(`port ${name}`) === ours),
      statics: now.statics.filter((it) => this.#owned.has(`static ${staticName(it)}`) === ours),
      mirrors: only(now.mirrors, (name) => this.#owned.has(`mirror ${name}`) === ours),
    });
    return { brought: part(true), live: part(false) };
  }

  /** Adds what there is not yet; returns what was refused. */
  restore({ bridges, ports, statics, mirrors }: Running): Error[] {
    const { bridges: there, ports: portsThere, macs, mirrors: mirrorsThere } = this.#parts;
    const known = new Set(there.names());
    const adds = [
      ...Object.entries(bridges).map(([name, options]) => () => {
        if (!known.has(name)) {
          there.add(name, options);
        }
      }),
      ...underlaysFirst(ports).map(([name, options]) => () => {
        portsThere.add(name, options);
      }),
      ...statics.map((it) => () => restore(macs, [it])),
      ...Object.entries(mirrors).map(([name, options]) => () => {
        mirrorsThere.add(name, options);
      }),
    ];
    return adds.flatMap((add): Error[] => {
      try {
        add();
        return [];
      } catch (error) {
        return [error as Error];
      }
    });
  }

  #mayGo(prune: boolean): Owned {
    return (what, name) => prune || this.#owned.has(`${what} ${name}`);
  }

  #running(): Running {
    const { bridges, ports, macs, mirrors } = this.#parts;
    return {
      bridges: bridges.all(),
      ports: ports.allOptions(),
      statics: macs.statics(),
      mirrors: mirrors.allOptions(),
    };
  }

  #steps(changes: readonly Change[], wanted: Configuration, owned: Owned): Step[] {
    const now = this.#running();
    const names = (what: Change['what'], ...actions: Change['action'][]) =>
      changes.filter((it) => it.what === what && actions.includes(it.action)).map((it) => it.name);
    const going = new Set(names('port', 'remove', 'replace'));
    const coming = new Set(names('port', 'add', 'replace'));
    const toRemove = underlaysFirst(now.ports).filter(([name]) => going.has(name));
    const toAdd = underlaysFirst(wanted.ports).filter(([name]) => coming.has(name));
    const moves = new Moves(this.#parts, now, wanted, owned);
    return [
      ...names('mirror', 'remove', 'replace').map((name) => moves.removeMirror(name)),
      ...names('bridge', 'add').map((name) => moves.addBridge(name)),
      ...names('bridge', 'change').map((name) => moves.setBridge(name)),
      ...names('bridge', 'replace').map((name) => moves.replaceBridge(name)),
      ...names('static', 'remove').map((name) => moves.removeStatic(name)),
      ...toRemove.reverse().map(([name]) => moves.removePort(name)),
      ...names('port', 'change').map((name) => moves.setPort(name)),
      ...toAdd.map(([name]) => moves.addPort(name)),
      ...names('static', 'add', 'change').map((name) => moves.addStatic(name)),
      ...names('mirror', 'add', 'replace').map((name) => moves.addMirror(name)),
      ...names('bridge', 'remove').map((name) => moves.removeBridge(name)),
    ];
  }
}

/** What there is, in the shape of a configuration. */
export function asConfiguration(
  whole: Pick<Configuration, 'workers' | 'placement'>,
  { bridges, ports, statics, mirrors }: Running,
): Configuration {
  const withStatic = Object.entries(bridges).map(([name, options]) => {
    const inside = statics.filter(({ bridge }) => bridge === name);
    const fixed = Object.fromEntries(inside.map(({ mac, port }) => [mac, port]));
    return [name, { ...options, static: fixed }];
  });
  return {
    ...whole,
    bridges: Object.fromEntries(withStatic),
    ports: { ...ports },
    mirrors: { ...mirrors },
  };
}

/** The steps of which applying is made, each with the way back. */
class Moves {
  readonly #parts: Parts;
  readonly #now: Running;
  readonly #wanted: Configuration;
  readonly #owned: Owned;

  constructor(parts: Parts, now: Running, wanted: Configuration, owned: Owned) {
    this.#owned = owned;
    this.#parts = parts;
    this.#now = now;
    this.#wanted = wanted;
  }

  addBridge(name: string): Step {
    const { bridges } = this.#parts;
    const options = this.#bridge(name);
    return { run: () => bridges.add(name, options), undo: () => bridges.remove(name, []) };
  }

  setBridge(name: string): Step {
    const { bridges } = this.#parts;
    const [before, after] = [found(this.#now.bridges, name), this.#bridge(name)];
    return { run: () => bridges.set(name, after), undo: () => bridges.set(name, before) };
  }

  /** Under its ports, whose links stay up. Static addresses are taken along. */
  replaceBridge(name: string): Step {
    const replace = (options: Bridge) => {
      const { bridges, ports, macs } = this.#parts;
      const statics = macs.statics().filter(({ bridge }) => bridge === name);
      bridges.replace(name, options, () => ports.enter(name));
      restore(macs, statics);
    };
    const [before, after] = [found(this.#now.bridges, name), this.#bridge(name)];
    return { run: () => replace(after), undo: () => replace(before) };
  }

  removeBridge(name: string): Step {
    const { bridges } = this.#parts;
    const before = found(this.#now.bridges, name);
    return { run: () => bridges.remove(name, []), undo: () => bridges.add(name, before) };
  }

  addPort(name: string): Step {
    const { ports, macs } = this.#parts;
    const port = found(this.#wanted.ports, name);
    // Somebody else's, which went with the port that this one replaces.
    const behind = this.#behind(name).filter(
      (it) => it.bridge === port.bridge && !this.#owned('static', staticName(it)),
    );
    return {
      run() {
        ports.make(name, port);
        restore(macs, behind);
      },
      undo: () => ports.remove(name),
    };
  }

  setPort(name: string): Step {
    const [before, after] = [found(this.#now.ports, name), found(this.#wanted.ports, name)];
    const moved = before.bridge !== after.bridge;
    return {
      run: () => {
        try {
          this.#change(name, before, after);
        } catch (error) {
          this.#change(name, after, before);
          throw error;
        }
      },
      undo: () => {
        this.#change(name, after, before);
        restore(this.#parts.macs, moved ? this.#behind(name) : []);
      },
    };
  }

  removePort(name: string): Step {
    const { ports, macs } = this.#parts;
    return {
      run: () => ports.remove(name),
      undo: () => {
        ports.make(name, found(this.#now.ports, name));
        restore(macs, this.#behind(name));
      },
    };
  }

  addStatic(name: string): Step {
    const { macs } = this.#parts;
    const before = this.#now.statics.find((it) => staticName(it) === name);
    const goal = this.#goal(name);
    return {
      run: () => restore(macs, goal ? [goal] : []),
      undo() {
        if (goal) {
          macs.remove(goal.bridge, goal.mac);
        }
        restore(macs, before ? [before] : []);
      },
    };
  }

  removeStatic(name: string): Step {
    const { macs } = this.#parts;
    const before = this.#now.statics.find((it) => staticName(it) === name) as StaticAddress;
    return {
      run: () => macs.remove(before.bridge, before.mac),
      undo: () => restore(macs, [before]),
    };
  }

  addMirror(name: string): Step {
    const { mirrors } = this.#parts;
    // One that only its port's replacement concerns may be nobody's of the configuration.
    const options = this.#wanted.mirrors[name] ?? found(this.#now.mirrors, name);
    return { run: () => mirrors.add(name, options), undo: () => mirrors.remove(name) };
  }

  removeMirror(name: string): Step {
    const { mirrors } = this.#parts;
    const before = found(this.#now.mirrors, name);
    return { run: () => mirrors.remove(name), undo: () => mirrors.add(name, before) };
  }

  #bridge(name: string): Bridge {
    const { static: _, ...options } = found(this.#wanted.bridges, name);
    return options;
  }

  #behind(port: string): StaticAddress[] {
    return this.#now.statics.filter((it) => it.port === port);
  }

  /** The static address that is wanted. */
  #goal(name: string): StaticAddress | undefined {
    return staticsOf(this.#wanted).find((it) => staticName(it) === name);
  }

  #change(name: string, before: Port, after: Port): void {
    const { ports, tunnels } = this.#parts;
    if (before.kind === 'vxlan' && after.kind === 'vxlan') {
      tunnels.setRemotes(name, after.remotes);
    }
    ports.set(name, changed(before, after));
  }
}

/** Those options that a live port takes. */
function changed(before: Port, after: Port): PortChanges {
  const keys = livePortKeys.filter((key) => !isDeepStrictEqual(before[key], after[key]));
  return Object.fromEntries(keys.map((key) => [key, after[key]]));
}

function only<T>(all: Readonly<Record<string, T>>, keep: (name: string) => boolean) {
  return Object.fromEntries(Object.entries(all).filter(([name]) => keep(name)));
}

function found<T>(all: Readonly<Record<string, T>>, name: string): T {
  return all[name] as T;
}

function restore(macs: Macs, addresses: readonly StaticAddress[]): void {
  for (const { bridge, mac, port, remote } of addresses) {
    macs.addStatic(bridge, mac, port, remote);
  }
}

/** Goes back; what cannot be undone is told beside what failed. */
function undone(cause: unknown, done: Step[]): unknown {
  const failures = done.reverse().flatMap((step): string[] => {
    try {
      step.undo();
      return [];
    } catch (error) {
      return [(error as Error).message];
    }
  });
  if (!(cause instanceof SwitchError)) {
    return cause;
  }
  const { code, message, port, path, mistakes } = cause;
  const after =
    failures.length === 0 ? 'nothing was changed' : `and going back failed: ${failures.join('; ')}`;
  return new SwitchError(code, `${message}; ${after}`, { port, path, mistakes, cause });
}

function ownedBy({ bridges, ports, mirrors, ...rest }: Configuration): Set<string> {
  return new Set([
    ...Object.keys(mirrors).map((name) => `mirror ${name}`),
    ...Object.keys(bridges).map((name) => `bridge ${name}`),
    ...Object.keys(ports).map((name) => `port ${name}`),
    ...staticsOf({ bridges, ports, mirrors, ...rest }).map((it) => `static ${staticName(it)}`),
  ]);
}
