/** The daemon: a switch, its API, its state, and a clean end. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { attachmentRoutes } from '../api/attachment-routes.js';
import { type RemoteOptions, remoteOf } from '../api/remote.js';
import { serveApi } from '../api/server.js';
import { claimSocket, defaultSocket } from '../api/socket.js';
import { Attachments } from '../attach/attachments.js';
import { cniServer } from '../attach/cni/server.js';
import type { PluginServer } from '../attach/docker/server.js';
import type { Configuration } from '../config/check.js';
import { checkConfiguration } from '../config/check.js';
import type { Change, Running } from '../config/difference.js';
import { parseConfiguration, readText } from '../config/parse.js';
import { SwitchError } from '../errors.js';
import type { SwitchEvent } from '../events.js';
import { native } from '../native.js';
import { LearnedStore } from '../state/learned-store.js';
import { StateStore } from '../state/store.js';
import { Switch } from '../switch.js';
import { describeChanges } from './changes.js';
import { type Format, type Level, Log } from './log.js';
import { Supervisor } from './supervisor.js';

export interface DaemonOptions extends RemoteOptions {
  config?: string;
  api?: string;
  state?: string;
  /** With `state`: learned addresses too. */
  keepLearned?: boolean;
  /** Socket that Docker Engine finds the plugin by; true: in the usual place. */
  docker?: string | true;
  logLevel?: Level;
  logFormat?: Format;
}

/** Runs until SIGINT or SIGTERM; throws when a worker fails. A fatal signal is told in one line, and ends the process. */
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
  // Before any port is opened: a second daemon must not disturb the first.
  await claimSocket(api);
  await using sw = await Switch.start(beginning.configuration);
  for (const error of sw.restore(beginning.live)) {
    log.failure(error);
  }
  const kept = attachmentFolder(options, api);
  const attachments = await Attachments.open(sw, join(kept, 'attachments'));
  const learned = keepLearned(options, sw, log);
  const save = () => beginning.save(sw, (port) => attachments.find(port) !== undefined);
  await save();
  const more = attachmentRoutes(attachments);
  const cni = cniServer(sw, attachments, save);
  const protocols = [{ name: 'memswitch-cni', url: '/v1/cni', serve: cni }];
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
  const { ports, workers } = sw.status();
  const tcp = server.remote === undefined ? '' : ` tcp=${server.remote}`;
  process.stdout.write(`memswitch ready ports=${ports} workers=${workers} api=${api}${tcp}\n`);
  ready();
  try {
    await Promise.race([stopped, watch(sw.events(), log)]);
  } finally {
    supervisor.stopping();
    process.off('SIGHUP', hangUp);
    attachments.close();
    await docker?.close();
    await server.close();
    await save();
    await learned?.end();
  }
}

/** After the ports are there: addresses are behind them. */
function keepLearned(options: DaemonOptions, sw: Switch, log: Log): LearnedStore | undefined {
  if (!options.keepLearned) {
    return undefined;
  }
  if (options.state === undefined) {
    throw new SwitchError('INVALID', '--keep-learned: there is no folder to keep them in', {
      hint: 'name one with --state',
    });
  }
  const store = new LearnedStore(options.state, sw.learned);
  try {
    store.restore();
  } catch (error) {
    log.failure(error);
  }
  store.begin((error) => log.failure(error));
  return store;
}

/**
 * What the switch starts with. A configuration file that is not the one read last is what its writer wants now, and goes before
 * the state; the same file again was changed live since, and the state goes before it.
 */
class Beginning {
  readonly configuration: Configuration;
  readonly live: Running = { bridges: {}, ports: {}, statics: [], mirrors: {} };
  readonly #file: string | undefined;
  readonly #store: StateStore | undefined;
  #digest: string | null = null;

  constructor({ config, state }: DaemonOptions) {
    this.#file = config;
    this.#store = state === undefined ? undefined : new StateStore(state);
    const kept = this.#store?.load();
    const fresh = this.read();
    const unchanged = fresh === undefined || fresh.digest === kept?.file;
    this.configuration =
      kept && unchanged ? kept.applied : (fresh?.configuration ?? checkConfiguration({}));
    this.live = kept?.live ?? this.live;
    this.took(fresh?.digest ?? kept?.file ?? null);
  }

  /** The configuration file as it is now; undefined where there is none. */
  read(): { configuration: Configuration; digest: string } | undefined {
    if (this.#file === undefined) {
      return undefined;
    }
    const text = readText(this.#file);
    const digest = createHash('sha256').update(text).digest('hex');
    return { configuration: parseConfiguration(text), digest };
  }

  /** The switch is what the file of that digest says. */
  took(digest: string | null): void {
    this.#digest = digest;
  }

  /** @param isElsewhere of a port: whether somebody else keeps it. */
  async save(sw: Switch, isElsewhere: (port: string) => boolean): Promise<void> {
    await this.#store?.save(() => {
      const { applied, live } = sw.state();
      const ports = Object.entries(live.ports).filter(([name]) => !isElsewhere(name));
      return { file: this.#digest, applied, live: { ...live, ports: Object.fromEntries(ports) } };
    });
  }
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
