/** What a daemon's switch begins with: a file, what was kept before a restart, or what another daemon hands over. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Attachments } from '../attach/attachments.js';
import type { Configuration } from '../config/check.js';
import { checkConfiguration } from '../config/check.js';
import type { Running } from '../config/difference.js';
import { parseConfiguration, readText } from '../config/parse.js';
import { SwitchError } from '../errors.js';
import type { SwitchEvent } from '../events.js';
import { LearnedStore } from '../state/learned-store.js';
import { type State, StateStore } from '../state/store.js';
import { Switch } from '../switch.js';
import type { Log } from './log.js';
import type { Inheritance, Predecessor } from './takeover.js';

export interface BeginningOptions {
  config?: string;
  state?: string;
  /** With `state`: learned addresses too. */
  keepLearned?: boolean;
}

/**
 * What the switch starts with. A configuration file that is not the one read last is what its writer wants now, and goes before
 * the state; the same file again was changed live since, and the state goes before it.
 */
export class Beginning {
  configuration: Configuration;
  live: Running = { bridges: {}, ports: {}, statics: [], mirrors: {} };
  readonly #file: string | undefined;
  readonly #store: StateStore | undefined;
  readonly #fresh: string | undefined;
  #digest: string | null = null;
  #ended = false;

  constructor({ config, state }: BeginningOptions) {
    this.#file = config;
    this.#store = state === undefined ? undefined : new StateStore(state);
    const kept = this.#store?.load();
    const fresh = this.read();
    this.#fresh = fresh?.digest;
    const unchanged = fresh === undefined || fresh.digest === kept?.file;
    this.configuration =
      kept && unchanged ? kept.applied : (fresh?.configuration ?? checkConfiguration({}));
    this.live = kept?.live ?? this.live;
    this.took(fresh?.digest ?? kept?.file ?? null);
  }

  /** Another daemon's state, as it is, before a file that may be edited since. */
  inherit({ file, applied, live }: State): void {
    this.configuration = applied;
    this.live = live;
    this.took(file);
  }

  /** Whether the file, as it was read first, is still to be applied. */
  get waits(): boolean {
    return this.#fresh !== undefined && this.#fresh !== this.#digest;
  }

  /** The state is another daemon's from now on. */
  end(): void {
    this.#ended = true;
  }

  get ended(): boolean {
    return this.#ended;
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

  /** Ports of containers are kept elsewhere. */
  state({ sw, attachments }: Begun): State {
    const { applied, live } = sw.state();
    const ports = Object.entries(live.ports).filter(([name]) => !attachments.find(name));
    return { file: this.#digest, applied, live: { ...live, ports: Object.fromEntries(ports) } };
  }

  async save(begun: Begun): Promise<void> {
    if (!this.#ended) {
      await this.#store?.save(() => this.state(begun));
    }
  }
}

/** A switch with all that it began with. */
export interface Begun {
  sw: Switch;
  /** From the first port on. */
  events: AsyncIterable<SwitchEvent>;
  attachments: Attachments;
  learned: LearnedStore | undefined;
}

/** @param kept folder of containers' ports. */
export async function begin(
  beginning: Beginning,
  options: BeginningOptions,
  { kept, log, predecessor }: { kept: string; log: Log; predecessor: Predecessor | undefined },
): Promise<Begun> {
  const { workers, placement } = beginning.configuration;
  const sw = await Switch.start({ workers: predecessor?.workers ?? workers, placement });
  try {
    const events = sw.events();
    // The other daemon's peers wait from here until they are adopted: not for threads to begin, nor for a file's mistakes.
    const inherited = await predecessor?.handsOver();
    const adopt = inherited && take(inherited, sw, beginning);
    await sw.apply(beginning.configuration);
    for (const error of sw.restore(beginning.live)) {
      log.failure(error);
    }
    const attachments = await Attachments.open(sw, join(kept, 'attachments'));
    if (inherited) {
      sw.learned.unpack(inherited.learned);
    }
    const learned = keepLearned(options, sw, log, inherited === undefined);
    adopt?.();
    return { sw, events, attachments, learned };
  } catch (error) {
    await sw.close();
    throw error;
  }
}

function take({ heritage, state }: Inheritance, sw: Switch, beginning: Beginning): () => void {
  beginning.inherit(state);
  return sw.inherit(heritage).adopt;
}

/** After the ports are there: addresses are behind them. */
function keepLearned(
  options: BeginningOptions,
  sw: Switch,
  log: Log,
  restore: boolean,
): LearnedStore | undefined {
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
    if (restore) {
      store.restore();
    }
  } catch (error) {
    log.failure(error);
  }
  store.begin((error) => log.failure(error));
  return store;
}
