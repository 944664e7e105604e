/** All scenarios, in the order of a run: those of one topology next to each other, for their peers stay up meanwhile. */
import type { Scenario } from '../scenario.js';
import { devices } from './devices.js';
import { idle, wake } from './idle.js';
import { latencies } from './latency.js';
import { memory } from './memory.js';
import { noDrop } from './no-drop.js';
import { attach, crowded } from './scale.js';
import { scrape } from './scrape.js';
import * as throughput from './throughput.js';
import { tunnels } from './tunnels.js';

export const scenarios: Scenario[] = [
  throughput.bridge,
  throughput.bridgeBothWays,
  ...latencies,
  noDrop,
  throughput.thousandAddresses,
  ...throughput.manyAddresses,
  throughput.crossConnect,
  memory,
  throughput.flood,
  throughput.chained,
  ...throughput.manyPorts,
  crowded,
  attach,
  scrape,
  idle,
  wake,
  ...devices,
  ...tunnels,
];
