/** RFC 2544, section 26.1: the highest rate that loses no frame; here: no more than the tolerance given. */
import type { Lane } from '../lane.js';
import { everyPeer, type Scenario, type Settings, warmUp } from '../scenario.js';
import { bridgeTopology, rate } from './throughput.js';

/** Halvings: the answer is right to 1 % of the rate searched from. */
const steps = 7;

/** Frames a second. */
async function search(lane: Lane, size: string, settings: Settings): Promise<number> {
  let [good, bad] = [0, lane.capacity * 1.2];
  for (let step = 0; step < steps; ++step) {
    const middle = (good + bad) / 2;
    const { offered, received, late } = await lane.traffic.run({
      seconds: settings.seconds,
      warm: warmUp(settings.seconds),
      size,
      rate: middle,
    });
    const lost = Math.max(0, offered - received - late) / Math.max(1, offered);
    [good, bad] = lost <= settings.lossTolerance ? [middle, bad] : [good, middle];
  }
  return good;
}

export const noDrop: Scenario = {
  name: 'no-drop',
  what: 'the highest rate at which no more frames are lost than tolerated, by binary search (RFC 2544, 26.1)',
  quick: false,
  metrics: { 'no-drop rate': { unit: 'Mpps', better: 'more' } },
  contenders: everyPeer(bridgeTopology),
  variants: ({ sizes = ['64', '1518'] }) => sizes,
  trials: ({ trials }) => Math.ceil(trials / 5),
  async prepare(lane, size, settings) {
    await lane.traffic.announce(1);
    lane.capacity = (await rate(lane, size, settings)) * 1e6;
  },
  async trial(lane, size, settings) {
    return { figures: { 'no-drop rate': (await search(lane, size, settings)) / 1e6 } };
  },
};
