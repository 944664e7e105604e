/**
 * The turns. Wall-clock rates of one machine swing by a factor of two from minute to minute, so nobody is measured and then
 * somebody else: all contenders of a scenario are up at once, all but one stopped, and take turns (A B A B …) of short
 * trials. What is told of a comparison is the median of the ratios of neighbours in time.
 */
import { type Contender, type Cpus, Lane } from './lane.js';
import type { Peer } from './peer.js';
import { Progress } from './progress.js';
import type { Figure, LatencyHistogram, Result, Results, Skipped } from './results.js';
import type { Sample, Scenario, Settings } from './scenario.js';
import { pairedRatio, summary } from './statistics.js';

export interface Plan {
  scenarios: Scenario[];
  peers: Peer[];
  settings: Settings;
  cpus: Cpus;
  /** Ends the run early, cleanly. */
  signal: AbortSignal;
}

/** Who takes part in a scenario: one lane may do so in several, under other labels. */
interface Entrant {
  label: string;
  lane: Lane;
}

interface Taken {
  label: string;
  samples: Sample[];
}

export type Measured = Pick<Results, 'results' | 'histograms' | 'skipped'>;

export async function measure(plan: Plan): Promise<Measured> {
  const harness = new Harness(plan);
  try {
    await harness.run();
  } catch (error) {
    // Who ends a run early gets what was measured until then.
    if (!plan.signal.aborted) {
      throw error;
    }
  } finally {
    await harness.stop();
  }
  return harness.measured;
}

class Harness {
  readonly measured: Measured = { results: [], histograms: [], skipped: [] };
  readonly #plan: Plan;
  readonly #progress: Progress;
  readonly #lanes = new Map<string, Lane>();
  /** Why a contender could not be started, by key: it is not tried again. */
  readonly #failed = new Map<string, string>();

  constructor(plan: Plan) {
    this.#plan = plan;
    const { scenarios, settings } = plan;
    const steps = scenarios.flatMap((scenario) => scenario.variants(settings)).length;
    this.#progress = new Progress(steps);
  }

  async run(): Promise<void> {
    const { scenarios, settings, peers } = this.#plan;
    for (const [index, scenario] of scenarios.entries()) {
      for (const variant of scenario.variants(settings)) {
        this.#progress.step(`${scenario.name} ${variant}`);
        const entrants = await this.#entrantsOf(scenario);
        if (entrants.length > 0) {
          await this.#measure(scenario, variant, entrants);
        }
      }
      const needed = scenarios.slice(index + 1).flatMap((later) => later.contenders(peers));
      await this.#stopExcept(new Set(needed.map(key)));
    }
  }

  async stop(): Promise<void> {
    this.#progress.end();
    await this.#stopExcept(new Set());
  }

  async #measure(scenario: Scenario, variant: string, entrants: Entrant[]): Promise<void> {
    const { settings, signal } = this.#plan;
    for (const { label, lane } of entrants) {
      signal.throwIfAborted();
      this.#progress.at(`prepare ${label}`);
      await lane.awake(async () => scenario.prepare?.(lane, variant, settings));
    }
    const taken: Taken[] = entrants.map(({ label }) => ({ label, samples: [] }));
    const trials = scenario.trials?.(settings) ?? settings.trials;
    for (let trial = 1; trial <= trials; ++trial) {
      for (const [index, { label, lane }] of entrants.entries()) {
        signal.throwIfAborted();
        this.#progress.at(`${trial}/${trials} ${label}`);
        taken[index]?.samples.push(await lane.awake(() => scenario.trial(lane, variant, settings)));
      }
    }
    this.measured.results.push(...results(scenario, variant, taken));
    this.measured.histograms.push(...histograms(scenario, variant, taken));
  }

  async #entrantsOf(scenario: Scenario): Promise<Entrant[]> {
    const entrants: Entrant[] = [];
    for (const contender of scenario.contenders(this.#plan.peers)) {
      const lane = await this.#laneOf(contender);
      if (typeof lane === 'string') {
        this.#skip({ scenario: scenario.name, contender: contender.label, why: lane });
      } else {
        entrants.push({ label: contender.label, lane });
      }
    }
    return entrants;
  }

  /** Or why there is none. */
  async #laneOf(contender: Contender): Promise<Lane | string> {
    const name = key(contender);
    const known = this.#lanes.get(name) ?? this.#failed.get(name);
    if (known !== undefined) {
      return known;
    }
    return contender.peer.missing(contender.topology) ?? this.#start(contender);
  }

  async #start(contender: Contender): Promise<Lane | string> {
    this.#plan.signal.throwIfAborted();
    this.#progress.at(`start ${contender.label}`);
    try {
      const lane = await Lane.start(contender, this.#plan.cpus);
      this.#lanes.set(key(contender), lane);
      return lane;
    } catch (error) {
      if (contender.peer.name === 'memswitch') {
        throw error; // nothing is left to compare with
      }
      // One peer that fails must not cost the others' figures; but never silently.
      const message = error instanceof Error ? error.message : String(error);
      const why = `failed: ${message.trim().replaceAll(/\s+/g, ' ')}`;
      this.#failed.set(key(contender), why);
      return why;
    }
  }

  #skip(skipped: Skipped): void {
    const same = (other: Skipped) =>
      other.scenario === skipped.scenario && other.contender === skipped.contender;
    if (!this.measured.skipped.some(same)) {
      this.measured.skipped.push(skipped);
      this.#progress.note(`${skipped.scenario}: without ${skipped.contender}: ${skipped.why}`);
    }
  }

  async #stopExcept(needed: Set<string>): Promise<void> {
    for (const [name, lane] of this.#lanes) {
      if (!needed.has(name)) {
        this.#lanes.delete(name);
        await lane.stop();
      }
    }
  }
}

/** Contenders of one key share a lane. */
function key({ peer, topology }: Contender): string {
  return JSON.stringify([peer.name, topology]);
}

function results(scenario: Scenario, variant: string, taken: Taken[]): Result[] {
  return Object.entries(scenario.metrics).map(([metric, { unit, better }]) => {
    const measured = taken.map(({ label, samples }) => ({
      contender: label,
      samples: samples.map(({ figures }) => figures[metric]).filter((value) => value !== undefined),
    }));
    const [own] = measured;
    const figures = measured
      .filter(({ samples }) => samples.length > 0)
      .map((figure): Figure => {
        const ratio =
          own !== undefined && figure !== own
            ? pairedRatio(own.samples, figure.samples, better)
            : undefined;
        return { ...figure, ...summary(figure.samples), ...(ratio && { ratio }) };
      });
    return { scenario: scenario.name, variant, metric, unit, better, figures };
  });
}

/** Of all trials together. */
function histograms({ name }: Scenario, variant: string, taken: Taken[]): LatencyHistogram[] {
  return taken.flatMap(({ label, samples }) => {
    const sum = new Map<number, number>();
    for (const [bound, frames] of samples.flatMap(({ histogram }) => histogram ?? [])) {
      sum.set(bound, (sum.get(bound) ?? 0) + frames);
    }
    const buckets = [...sum].toSorted(([a], [b]) => a - b);
    const histogram = { scenario: name, variant, contender: label, unit: 'ns' as const, buckets };
    return buckets.length === 0 ? [] : [histogram];
  });
}
