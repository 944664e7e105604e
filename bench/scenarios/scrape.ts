/** What it costs to be watched: the metrics of 1,002 ports read ten times a second, as Prometheus does but for the hurry. */
import { Agent, request } from 'node:http';
import type { Lane } from '../lane.js';
import type { Scenario } from '../scenario.js';
import { crowd } from './scale.js';
import { rate } from './throughput.js';

const perSecond = 10;
const agent = new Agent({ keepAlive: true });

/** Resolves with the answer. */
function get(lane: Lane, path: string, encoding: 'gzip' | 'identity'): Promise<Buffer> {
  const socketPath = lane.running.api;
  const headers = { 'accept-encoding': encoding };
  return new Promise((resolve, reject) => {
    request({ agent, socketPath, path, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve(Buffer.concat(parts)));
      if (response.statusCode !== 200) {
        reject(new Error(`GET ${path}: ${response.statusCode}`));
      }
    })
      .on('error', reject)
      .end();
  });
}

const scrapeOnce = (lane: Lane) => get(lane, '/metrics', 'gzip');

/** Scrapes until it is stopped; resolves with how often. */
async function scrapeUntil(lane: Lane, stopped: AbortSignal): Promise<number> {
  let scrapes = 0;
  while (!stopped.aborted) {
    const started = performance.now();
    await scrapeOnce(lane);
    ++scrapes;
    await pause(1000 / perSecond - (performance.now() - started), stopped);
  }
  return scrapes;
}

function pause(milliseconds: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, milliseconds));
    stopped.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function scraped(lane: Lane, size: string, seconds: number): Promise<[number, number]> {
  const stop = new AbortController();
  const scrapes = scrapeUntil(lane, stop.signal);
  try {
    const mpps = await rate(lane, size, { seconds });
    stop.abort();
    return [mpps, await scrapes];
  } finally {
    stop.abort();
  }
}

interface Work {
  cycles: number;
  frames: number;
}

/** What the only worker has done so far. */
async function work(lane: Lane): Promise<Work> {
  const text = (await get(lane, '/metrics', 'identity')).toString();
  const value = (name: string) =>
    Number(new RegExp(`^${name}{worker="0"} (.*)$`, 'm').exec(text)?.[1]);
  return {
    cycles: value('memswitch_worker_busy_cycles_total'),
    frames: value('memswitch_worker_burst_frames_sum'),
  };
}

function cyclesPerFrame(from: Work, to: Work): number {
  return (to.cycles - from.cycles) / (to.frames - from.frames);
}

/**
 * The cost has two parts. What the worker pays is the switch's: its cycles a frame, by its own counters. What the rate falls
 * by is that and the time of the CPU that here, on two, the control thread and the scraper share with the load: on a host
 * with a third CPU it costs no frame.
 */
export const scrape: Scenario = {
  name: 'scrape',
  what: 'a busy pair among 1,002 ports while the metrics are read ten times a second',
  quick: false,
  metrics: {
    'rate alone': { unit: 'Mpps', better: 'more' },
    'rate scraped': { unit: 'Mpps', better: 'more' },
    'cost to the worker': { unit: '%', better: 'less' },
    'cost to the rate': { unit: '%', better: 'less' },
    'CPU time of a scrape': { unit: 'ms', better: 'less' },
  },
  contenders: crowd,
  variants: ({ sizes = ['64'] }) => sizes,
  trials: ({ trials }) => Math.ceil(trials / 3),
  async prepare(lane) {
    await lane.traffic.announce(1);
    // A daemon is scraped for days: its code is warm.
    for (let scrapes = 0; scrapes < 900; ++scrapes) {
      await scrapeOnce(lane);
    }
  },
  async trial(lane, size, settings) {
    const seconds = Math.max(0.4, settings.seconds);
    const start = await work(lane);
    const alone = await rate(lane, size, { seconds });
    const middle = await work(lane);
    const before = lane.cpuSeconds('control');
    const [during, scrapes] = await scraped(lane, size, seconds);
    const control = lane.cpuSeconds('control') - before;
    const end = await work(lane);
    const more = cyclesPerFrame(middle, end) / cyclesPerFrame(start, middle);
    return {
      figures: {
        'rate alone': alone,
        'rate scraped': during,
        'cost to the worker': (more - 1) * 100,
        'cost to the rate': (1 - during / alone) * 100,
        'CPU time of a scrape': (control * 1000) / Math.max(1, scrapes),
      },
    };
  },
};
