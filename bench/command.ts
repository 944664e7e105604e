/** `memswitch bench`, which is `npm run bench`. */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import { SwitchError } from '../switch/errors.js';
import { measure } from './harness.js';
import { reserveHugePages } from './huge-pages.js';
import type { Cpus } from './lane.js';
import { commit, machine, versions } from './machine.js';
import type { Peer } from './peer.js';
import { peers as allPeers } from './peers/index.js';
import { memswitchAt } from './peers/memswitch.js';
import { chart } from './report/chart.js';
import { markdown } from './report/markdown.js';
import type { Results } from './results.js';
import type { Scenario, Settings } from './scenario.js';
import { scenarios as allScenarios } from './scenarios/index.js';

interface Options {
  scenario?: Scenario[];
  peer?: Peer[];
  beside?: Peer;
  size?: string[];
  trials?: number;
  seconds: number;
  loss: number;
  cpus: Cpus;
  quick?: boolean;
  list?: boolean;
  json?: string;
  markdown?: string;
  chart?: string;
}

/** Of 2 MB: OVS wants 1,000, testpmd 256 for each of two. */
const hugePages = 1600;

export function configure(command: Command): void {
  command
    .option('--quick', 'the scenarios that say most, few trials')
    .option(
      '--scenario <names>',
      'only these, by name or beginning of names, with commas',
      scenariosNamed,
    )
    .option('--peer <names>', 'only these beside memswitch', peersNamed)
    .option('--beside <folder>', 'another checkout of memswitch that is built, as a peer', checkout)
    .option('--size <bytes>', 'only these frame sizes, without checksum, or imix', words)
    .option('--trials <number>', 'of each contender (default: 11, with --quick 5)', positive)
    .option('--seconds <number>', 'length of a trial', positive, 0.05)
    .option('--loss <share>', 'frames that the no-drop search lets pass as lost', share, 0.001)
    .option('--cpus <load,switch>', 'the two CPUs that are used', cpuPair, { load: 0, switch: 1 })
    .option('--json <file>', 'writes all results')
    .option('--markdown <file>', 'writes the tables (default: standard output)')
    .option('--chart <file>', 'draws the chart, as SVG')
    .option('--list', 'tells the scenarios and peers')
    .action(bench);
}

async function bench(options: Options): Promise<void> {
  if (options.list) {
    process.stdout.write(listing());
    return;
  }
  if (availableParallelism() < 2) {
    throw new SwitchError(
      'NOT_FOUND',
      'bench needs two CPUs: one for the load, one for the switch',
    );
  }
  const scenarios = chosenScenarios(options);
  const results = await runAll(scenarios, chosenPeers(options), options);
  write(options.json, () => `${JSON.stringify(results, null, 2)}\n`);
  const tables = markdown(results, scenarios);
  write(options.markdown, () => tables);
  if (options.markdown === undefined) {
    process.stdout.write(tables);
  }
  if (options.chart !== undefined) {
    writeFileSync(options.chart, await chart(results));
  }
}

async function runAll(scenarios: Scenario[], peers: Peer[], options: Options): Promise<Results> {
  const { seconds, loss, cpus, quick = false, size } = options;
  const trials = options.trials ?? (quick ? 5 : 11);
  const sizes = size ?? (quick ? ['64', '1518'] : undefined);
  const settings: Settings = { trials, seconds, lossTolerance: loss, ...(sizes && { sizes }) };
  const giveBack = peers.length > 1 ? reserveHugePages(hugePages) : () => undefined;
  const where = await machine(cpus);
  if (where.busyBefore > 0.1) {
    const percent = Math.round(where.busyBefore * 100);
    process.stderr.write(
      `bench: ${percent} % of the CPUs are busy with something else: figures will mislead\n`,
    );
  }
  const stop = new AbortController();
  const interrupted = () => {
    stop.abort();
    process.exitCode = 130;
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const measured = await measure({ scenarios, peers, settings, cpus, signal: stop.signal });
    const ran = new Set(
      measured.results.flatMap(({ figures }) => figures.map(({ contender }) => contender)),
    );
    return {
      schema: 1,
      date: new Date().toISOString(),
      commit: commit(),
      command: ['memswitch', ...process.argv.slice(2)].join(' '),
      machine: where,
      versions: versions(peers.filter(({ name }) => ran.has(name))),
      options: { trials, seconds, lossTolerance: loss },
      ...measured,
    };
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    giveBack();
  }
}

function chosenScenarios({ scenario, quick }: Options): Scenario[] {
  return allScenarios.filter((one) => scenario?.includes(one) ?? (quick !== true || one.quick));
}

function chosenPeers({ peer, beside }: Options): Peer[] {
  const chosen = allPeers.filter(
    (one) => one.name === 'memswitch' || (peer?.includes(one) ?? beside === undefined),
  );
  return beside === undefined ? chosen : [...chosen, beside];
}

function checkout(folder: string): Peer {
  const peer = memswitchAt(folder);
  if (peer === undefined) {
    throw new InvalidArgumentError('holds no memswitch that is built; run npm run build there');
  }
  return peer;
}

/** A word is a name or, where there is none such, the beginning of names. */
function scenariosNamed(text: string): Scenario[] {
  return words(text).flatMap((word) => {
    const exact = allScenarios.filter(({ name }) => name === word);
    const found =
      exact.length > 0 ? exact : allScenarios.filter(({ name }) => name.startsWith(word));
    if (found.length === 0) {
      throw new InvalidArgumentError(`there is no scenario ${word}; --list tells them`);
    }
    return found;
  });
}

function peersNamed(text: string): Peer[] {
  return words(text).map((word) => {
    const found = allPeers.find(({ name }) => name === word);
    if (found === undefined) {
      throw new InvalidArgumentError(`there is no peer ${word}; --list tells them`);
    }
    return found;
  });
}

function listing(): string {
  const lines = (title: string, entries: { name: string; what: string }[]) => [
    `${title}:`,
    ...entries.map(({ name, what }) => `  ${name.padEnd(18)} ${what}`),
  ];
  return `${[...lines('Scenarios', allScenarios), '', ...lines('Peers', allPeers)].join('\n')}\n`;
}

function write(file: string | undefined, text: () => string): void {
  if (file !== undefined) {
    writeFileSync(file, text());
  }
}

function words(text: string): string[] {
  return text.split(',').filter((word) => word !== '');
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) {
    throw new InvalidArgumentError('must be a number above 0');
  }
  return value;
}

function share(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value < 1)) {
    throw new InvalidArgumentError('must be a number from 0 to below 1');
  }
  return value;
}

function cpuPair(text: string): Cpus {
  const [load, worker, ...more] = text.split(',').map(Number);
  const whole = (cpu: number | undefined): cpu is number =>
    Number.isInteger(cpu) && Number(cpu) >= 0;
  if (!whole(load) || !whole(worker) || load === worker || more.length > 0) {
    throw new InvalidArgumentError('must be two different CPU numbers, for example 0,1');
  }
  return { load, switch: worker };
}
