/** The daemon: a switch, its API, its state, and a clean end. */
import { attachmentRoutes } from '../api/attachment-routes.js';
import { type RemoteOptions, remoteOf } from '../api/remote.js';
import { serveApi } from '../api/server.js';
import { claimSocket, defaultSocket } from '../api/socket.js';
import { type TakeoverRequest, takeoverRoutes } from '../api/takeover-routes.js';
import type { Attachments } from '../attach/attachments.js';
import { cniServer } from '../attach/cni/server.js';
import type { PluginServer } from '../attach/docker/server.js';
import type { Change } from '../config/difference.js';
import type { SwitchError } from '../errors.js';
import type { SwitchEvent } from '../events.js';
import { native } from '../native.js';
import type { Switch } from '../switch.js';
import { Beginning, type BeginningOptions, type Begun, begin } from './beginning.js';
import { describeChanges } from './changes.js';
import { type Format, type Level, Log } from './log.js';
import { Successor } from './successor.js';
import { Supervisor } from './supervisor.js';
import { Predecessor, packNote } from './takeover.js';

export interface DaemonOptions extends RemoteOptions, BeginningOptions {
  api?: string;
  /** Takes the place of the daemon that serves the API there, if one does. */
  takeover?: boolean;
  /** Socket that Docker Engine finds the plugin by; true: in the usual place. */
  docker?: string | true;
  logLevel?: Level;
  logFormat?: Format;
}

/**
 * Runs until SIGINT or SIGTERM, or until another daemon takes its place, which SIGUSR2 starts; throws when a worker fails. A fatal
 * signal, and an exception that nobody catches, is told in one line and ends the process at once: what outlives it was written
 * when it changed.
 */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const { api = defaultSocket(), logLevel = 'warn', logFormat } = options;
  const log = new Log(logLevel, logFormat);
  native.installCrashHandler(log.prefix('error'));
  process.on('uncaughtException', (error) => {
    log.death(error);
    process.exit(1);
  });
  const supervisor = new Supervisor();
  const stopped = stopSignal();
  const remote = remoteOf(options);
  const beginning = new Beginning(options);
  const predecessor = options.takeover ? await Predecessor.find(api) : undefined;
  if (!predecessor) {
    // Before any port is opened: a second daemon must not disturb the first.
    await claimSocket(api);
  }
  const kept = attachmentFolder(options, api);
  const begun = await begin(beginning, options, { kept, log, predecessor });
  await using sw = begun.sw;
  const { events, attachments, learned } = begun;
  const save = () => beginning.save(begun);
  await save();
  const { routes, handedOver } = succession(begun, beginning, supervisor);
  const more = [...attachmentRoutes(attachments), ...routes];
  const cni = cniServer(sw, attachments, save);
  const protocols = [{ name: 'memswitch-cni', url: '/v1/cni', serve: cni }];
  await predecessor?.leaves();
  const server = await serveApi(sw, api, { saved: save, more, protocols, remote });
  const docker = await startDocker(sw, attachments, kept, options.docker);
  const ready = () =>
    supervisor.ready(state(sw), () => sw.workers().every(({ running }) => running));
  const hangUp = () => {
    supervisor.reloading();
    void reload(sw, beginning, save)
      .catch((error) => log.failure(error))
      .then(ready);
  };
  process.on('SIGHUP', hangUp);
  const successor = new Successor(supervisor, (error) => log.failure(error));
  process.on('SIGUSR2', successor.start);
  const { ports, workers } = sw.status();
  const tcp = server.remote === undefined ? '' : ` tcp=${server.remote}`;
  process.stdout.write(`memswitch ready ports=${ports} workers=${workers} api=${api}${tcp}\n`);
  ready();
  if (beginning.waits) {
    hangUp();
  }
  try {
    await Promise.race([stopped, watch(events, log), handedOver]);
  } finally {
    supervisor.stopping();
    process.off('SIGHUP', hangUp);
    process.off('SIGUSR2', successor.start);
    attachments.close();
    if (!beginning.ended) {
      successor.stop();
    } else {
      // The next daemon waits for it: devices are free then.
      await sw.close();
    }
    await docker?.close();
    await server.close();
    await save();
    await learned?.end(!beginning.ended);
  }
}

/** How another daemon takes this one's place. */
function succession(begun: Begun, beginning: Beginning, supervisor: Supervisor) {
  let leave: () => void = () => undefined;
  const handedOver = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const handOver = ({ socket, pid }: TakeoverRequest) => {
    begun.sw.handOver(socket, packNote(beginning.state(begun), begun.sw.learned.pack()));
    beginning.end();
    supervisor.handedTo(pid);
    leave();
  };
  return { routes: takeoverRoutes(handOver), handedOver };
}

/** SIGHUP: the file is applied again. When that is refused the switch goes on as it was. */
async function reload(sw: Switch, beginning: Beginning, save: () => Promise<void>): Promise<void> {
  const fresh = beginning.read();
  if (fresh) {
    const changes: Change[] = await sw.apply(fresh.configuration);
    beginning.took(fresh.digest);
    await save();
    process.stdout.write(`memswitch applied again\n${describeChanges(changes, false)}\n`);
  }
}

/** Containers' ports are kept in any case. One daemon of a host has the usual place; others keep them beside their socket. */
function attachmentFolder({ state }: DaemonOptions, api: string): string {
  return state ?? (api === '/run/memswitch/api.sock' ? '/var/lib/memswitch' : `${api}.state`);
}

async function startDocker(
  sw: Switch,
  attachments: Attachments,
  state: string,
  asked: DaemonOptions['docker'],
): Promise<PluginServer | undefined> {
  if (asked === undefined) {
    return undefined;
  }
  const { dockerSocket, serveDocker } = await import('../attach/docker/index.js');
  const socket = asked === true ? dockerSocket : asked;
  await claimSocket(socket);
  return serveDocker(sw, attachments, socket, state);
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

function state(sw: Switch): string {
  const { ports, workers } = sw.status();
  return `${ports} ports, ${workers} workers`;
}

/** Tells what happens. Rejects when a worker fails; resolves when the switch is closed. */
async function watch(events: AsyncIterable<SwitchEvent>, log: Log): Promise<void> {
  for await (const event of events) {
    log.event(event);
    if (event.type === 'worker-failed') {
      throw event.error satisfies SwitchError;
    }
  }
}
