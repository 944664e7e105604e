/** Checks a configuration as a whole and completes it: shape and defaults by schema.ts, here what spans several values. */
import type { z } from 'zod';
import { kindOf, type Port } from '../../ports/index.js';
import { vlanMistake } from '../../ports/policy.js';
import { invalid, type Mistake } from '../errors.js';
import type { CompleteMirror } from '../mirrors.js';
import { native, type Placement, type Polling } from '../native.js';
import { includesCpu, onlineCpus } from './cpus.js';
import { mistakesOf, parse, pathText } from './mistakes.js';
import type { SwitchOptions, WorkerOptions } from './options.js';
import {
  type ConfiguredBridge,
  configurationSchema,
  defaultBridge,
  workerSchema,
} from './schema.js';

/** A complete configuration: checked, with defaults filled in. */
export interface Configuration {
  workers: { cpu?: number | undefined; polling: Polling }[];
  placement: Placement;
  bridges: Record<string, ConfiguredBridge>;
  ports: Record<string, Port>;
  mirrors: Record<string, CompleteMirror>;
}

type Shaped = z.output<typeof configurationSchema>;

/**
 * Checks a configuration as a whole and fills in defaults.
 * @throws {SwitchError} `INVALID` with every mistake and its path.
 */
export function checkConfiguration(input: SwitchOptions | unknown): Configuration {
  const result = configurationSchema.safeParse(input);
  if (!result.success) {
    const shape = mistakesOf(configurationSchema, input, result.error);
    const mistakes = shape.map(({ path, message }) => ({ path: pathText(path), message }));
    throw invalid([...mistakes, ...restMistakes(input, shape)]);
  }
  const mistakes = spanningMistakes(result.data);
  if (mistakes.length > 0) {
    throw invalid(mistakes);
  }
  return complete(result.data);
}

/** What spans several values is also told beside a mistake of shape elsewhere: the entries without one are checked. */
function restMistakes(input: unknown, shape: { path: readonly PropertyKey[] }[]): Mistake[] {
  const wrong = new Set(shape.map(({ path }) => pathText(path.slice(0, 2))));
  const keep = (section: string) => (value: unknown) =>
    Object.fromEntries(
      Object.entries(value ?? {}).filter(([name]) => !wrong.has(pathText([section, name]))),
    );
  const { workers, bridges, ports, mirrors } = Object(input) as Record<string, object | undefined>;
  const rest = configurationSchema.safeParse({
    bridges: keep('bridges')(bridges),
    ports: keep('ports')(ports),
    mirrors: keep('mirrors')(mirrors),
    ...([...wrong].some((path) => path.startsWith('workers')) ? {} : { workers }),
  });
  return rest.success ? spanningMistakes(rest.data, Object.keys(ports ?? {})) : [];
}

/**
 * Checks what one worker is to be.
 * @throws {SwitchError} `INVALID`.
 */
export function checkWorker(input: WorkerOptions): WorkerOptions {
  const worker = parse(workerSchema, input, ['worker']);
  const mistake = worker.cpu === undefined ? undefined : cpuMistake(worker.cpu);
  if (mistake) {
    throw invalid([{ path: 'worker.cpu', message: mistake }]);
  }
  return worker;
}

function cpuMistake(cpu: number): string | undefined {
  const online = onlineCpus();
  const message = `must be a CPU of this machine (${online}), got ${cpu}`;
  return includesCpu(online, cpu) ? undefined : message;
}

function spanningMistakes(shaped: Shaped, alsoPorts: string[] = []): Mistake[] {
  return [
    ...tooMany(shaped),
    ...workerMistakes(shaped),
    ...portMistakes(shaped.ports),
    ...vlanMistakes(shaped),
    ...underlayMistakes(shaped.ports, alsoPorts),
    ...mirrorMistakes(shaped, alsoPorts),
    ...Object.entries(shaped.bridges).flatMap(([name, bridge]) =>
      staticMistakes(name, bridge, shaped.ports, alsoPorts),
    ),
  ];
}

function tooMany(shaped: Shaped): Mistake[] {
  return (['bridges', 'ports'] as const)
    .map((path) => ({ path, count: Object.keys(shaped[path]).length, limit: native.limits[path] }))
    .filter(({ count, limit }) => count > limit)
    .map(({ path, count, limit }) => ({ path, message: `must be at most ${limit}, got ${count}` }));
}

function workerMistakes({ workers }: Shaped): Mistake[] {
  const list = typeof workers === 'number' ? [] : workers;
  return list.flatMap(({ cpu }, index): Mistake[] => {
    const path = `workers[${index}].cpu`;
    if (cpu === undefined) {
      return [];
    }
    const message = cpuMistake(cpu);
    return message === undefined ? [] : [{ path, message }];
  });
}

function portMistakes(ports: Record<string, Port>): Mistake[] {
  const taken = new Map<string, string>();
  return Object.entries(ports).flatMap(([name, port]): Mistake[] => {
    const identity = kindOf(port).identity(port);
    const other = taken.get(identity);
    taken.set(identity, other ?? name);
    const message = `must differ from ports.${other}, got the same ${identity}`;
    return other === undefined ? [] : [{ path: `ports.${name}`, message }];
  });
}

function vlanMistakes({ ports, bridges }: Shaped): Mistake[] {
  return Object.entries(ports).flatMap(([name, port]): Mistake[] => {
    const { bridge } = port;
    const hasVlans = Object.hasOwn(bridges, bridge) && bridges[bridge]?.vlans === true;
    const mistake = vlanMistake(port, bridge, hasVlans);
    return mistake ? [{ path: `ports.${name}.${mistake.key}`, message: mistake.message }] : [];
  });
}

function underlayMistakes(ports: Record<string, Port>, alsoPorts: string[]): Mistake[] {
  return Object.entries(ports).flatMap(([name, port]): Mistake[] => {
    const underlay = kindOf(port).underlay?.(port);
    if (underlay === undefined) {
      return [];
    }
    const path = `ports.${name}.underlay`;
    const found = Object.hasOwn(ports, underlay) ? ports[underlay] : undefined;
    if (!found) {
      const message = `must be kernel or the name of a port, got "${underlay}"`;
      return alsoPorts.includes(underlay) ? [] : [{ path, message }];
    }
    const message = `must be a port that is not a tunnel, got "${underlay}"`;
    return found.kind === port.kind ? [{ path, message }] : [];
  });
}

/** Copies go where nothing comes from: to a port that is neither mirrored nor carries tunnels. */
function mirrorMistakes({ mirrors, ports }: Shaped, alsoPorts: string[]): Mistake[] {
  const isPort = (port: string) => Object.hasOwn(ports, port) || alsoPorts.includes(port);
  const mirrored = new Set(Object.values(mirrors).flatMap(({ from }) => from));
  const underlays = new Set(Object.values(ports).map((port) => kindOf(port).underlay?.(port)));
  return Object.entries(mirrors).flatMap(([name, { from, to }]): Mistake[] => {
    const unknown = from.flatMap((port, index): Mistake[] => {
      const path = `mirrors.${name}.from[${index}]`;
      return isPort(port) ? [] : [{ path, message: `must be the name of a port, got "${port}"` }];
    });
    const must = !isPort(to)
      ? 'the name of a port'
      : mirrored.has(to)
        ? 'a port that is not mirrored itself'
        : underlays.has(to) && 'a port that carries no tunnels';
    const message = `must be ${must}, got "${to}"`;
    return must ? [...unknown, { path: `mirrors.${name}.to`, message }] : unknown;
  });
}

/** Ports in an order in which each finds the one it stands on. */
export function underlaysFirst(ports: Record<string, Port>): [name: string, port: Port][] {
  const isUpper = (port: Port) => kindOf(port).underlay?.(port) !== undefined;
  const all = Object.entries(ports);
  return [...all.filter(([, port]) => !isUpper(port)), ...all.filter(([, port]) => isUpper(port))];
}

function staticMistakes(
  name: string,
  bridge: ConfiguredBridge,
  ports: Record<string, Port>,
  alsoPorts: string[],
): Mistake[] {
  return Object.entries(bridge.static).flatMap(([mac, { port, remote }]): Mistake[] => {
    const path = `bridges.${name}.static.${mac}`;
    const found = Object.hasOwn(ports, port) ? ports[port] : undefined;
    if (!found) {
      const message = `must be the name of a port, got "${port}"`;
      return alsoPorts.includes(port) ? [] : [{ path, message }];
    }
    const message = `must be a port of this bridge, got "${port}" of bridge "${found.bridge}"`;
    if (found.bridge !== name) {
      return [{ path, message }];
    }
    const remotes = found.kind === 'vxlan' ? found.remotes : [];
    const stranger = `must be one of the remotes of port "${port}", got "${remote}"`;
    return remote === undefined || remotes.includes(remote)
      ? []
      : [{ path: `${path}.remote`, message: stranger }];
  });
}

function complete({ workers, polling, placement, bridges, ports, mirrors }: Shaped): Configuration {
  const list =
    typeof workers === 'number'
      ? Array.from({ length: workers }, (): WorkerOptions => ({}))
      : workers;
  const named = Object.values(ports).map(({ bridge }) => bridge);
  const implied = Object.fromEntries(named.map((name) => [name, defaultBridge()]));
  return {
    workers: list.map((worker) => ({ ...worker, polling: worker.polling ?? polling })),
    placement,
    bridges: { ...implied, ...bridges },
    ports,
    mirrors,
  };
}
