/** A thousand memif ports: how fast they attach, what they weigh, and what they cost a pair that is busy. */
import { request } from 'node:http';
import type { Lane } from '../lane.js';
import { onlyMemswitch, type Scenario } from '../scenario.js';
import { rate, throughput } from './throughput.js';

const thousand = { ports: 1002, active: 2 };
const crowd = onlyMemswitch({ 'memswitch, 1,002 ports': thousand });

export const attach: Scenario = {
  name: 'attach',
  what: '1,002 clients attach one after the other; what the process has grown by for each',
  quick: false,
  metrics: {
    'attach rate': { unit: 'ports/s', better: 'more' },
    'private memory': { unit: 'KiB/port', better: 'less' },
    'shared memory': { unit: 'KiB/port', better: 'less' },
  },
  contenders: crowd,
  variants: () => ['1,002 ports'],
  trials: () => 1,
  async trial({ memoryBefore, memoryAfter, traffic }) {
    const kib = (kind: 'private' | 'shared') =>
      Math.max(0, memoryAfter[kind] - memoryBefore[kind]) / 1024 / thousand.ports;
    return {
      figures: {
        'attach rate': thousand.ports / traffic.attachSeconds,
        'private memory': kib('private'),
        'shared memory': kib('shared'),
      },
    };
  },
};

export const crowded = throughput({
  name: 'ports-1000',
  what: 'a busy pair alone, and among 1,000 attached ports that are silent',
  contenders: onlyMemswitch({
    memswitch: {},
    'memswitch, 1,002 ports': thousand,
    'memswitch adaptive, 1,002 ports': { ...thousand, polling: 'adaptive' },
  }),
});

/** Reads GET /metrics over and over; resolves with how often. */
async function scrapeUntil(socketPath: string, stopped: AbortSignal): Promise<number> {
  let scrapes = 0;
  while (!stopped.aborted) {
    const started = performance.now();
    await get(socketPath, '/metrics');
    ++scrapes;
    await pause(100 - (performance.now() - started), stopped);
  }
  return scrapes;
}

function get(socketPath: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      response.resume().on('end', () => resolve());
      if (response.statusCode !== 200) {
        reject(new Error(`GET ${path}: ${response.statusCode}`));
      }
    })
      .on('error', reject)
      .end();
  });
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
  const scrapes = scrapeUntil(lane.running.api ?? '', stop.signal);
  try {
    const mpps = await rate(lane, size, { seconds });
    stop.abort();
    return [mpps, await scrapes];
  } finally {
    stop.abort();
  }
}

/**
 * The control thread shares the load's CPU, so the cost to the rate has two parts: what a scrape costs the worker, and what
 * it takes from the load. CPU time tells how much the second can be.
 */
export const scrape: Scenario = {
  name: 'scrape',
  what: 'a busy pair among 1,002 ports while the metrics are read ten times a second',
  quick: false,
  metrics: {
    'rate alone': { unit: 'Mpps', better: 'more' },
    'rate scraped': { unit: 'Mpps', better: 'more' },
    'cost to the rate': { unit: '%', better: 'less' },
    'CPU time of a scrape': { unit: 'ms', better: 'less' },
  },
  contenders: crowd,
  variants: ({ sizes = ['64'] }) => sizes,
  trials: ({ trials }) => Math.ceil(trials / 3),
  prepare: (lane) => lane.traffic.announce(1),
  async trial(lane, size, settings) {
    const seconds = Math.max(0.4, settings.seconds);
    const alone = await rate(lane, size, { seconds });
    const before = lane.cpuSeconds('control');
    const [during, scrapes] = await scraped(lane, size, seconds);
    const control = lane.cpuSeconds('control') - before;
    return {
      figures: {
        'rate alone': alone,
        'rate scraped': during,
        'cost to the rate': (1 - during / alone) * 100,
        'CPU time of a scrape': (control * 1000) / Math.max(1, scrapes),
      },
    };
  },
};
