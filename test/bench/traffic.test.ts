/** The load against rings with no switch between them: what it counts must add up to the frame. */
import { expect, onTestFinished, test } from 'vitest';
import { Lane } from '../../bench/lane.js';
import { crossing } from '../../bench/peers/crossing.js';
import { memswitch } from '../../bench/peers/memswitch.js';
import { standardTopology } from '../../bench/scenario.js';

async function crossed(ports = 2): Promise<Lane> {
  const topology = { ...standardTopology, ports, active: ports };
  const contender = { label: 'crossing', peer: crossing, topology };
  const lane = await Lane.start(contender, { load: 0, switch: 1 });
  onTestFinished(() => lane.stop());
  lane.running.resume();
  await lane.traffic.announce(1);
  return lane;
}

// A crossing loses nothing, and the load waits until nothing comes any more.
test.each([
  ['flat out', { size: '64' }],
  ['both ways', { size: '64', pattern: 'both-ways' }],
  ['in a mix of sizes', { size: 'imix' }],
  ['chained', { size: '9000' }],
  ['to many addresses', { size: '64', addresses: 1000 }],
  ['at a rate', { size: '64', rate: 10_000 }],
] as const)('what is sent arrives: %s', async (_, load) => {
  const { traffic } = await crossed();
  const { sent, received, late } = await traffic.run({ seconds: 0.02, ...load });
  expect(sent).toBeGreaterThan(0);
  expect(received + late).toBe(sent);
});

test('what is sent arrives through a tunnel, each way, whole', async () => {
  const topology = { ...standardTopology, tunnel: true };
  const contender = { label: 'memswitch', peer: memswitch, topology };
  const lane = await Lane.start(contender, { load: 0, switch: 1 });
  onTestFinished(() => lane.stop());
  lane.running.resume();
  await lane.traffic.announce(1);
  for (const pattern of ['one-way', 'back'] as const) {
    // Slow enough for full rings to lose nothing.
    const load = { seconds: 0.1, size: 'imix', rate: 2000, pattern };
    const { sent, received, late } = await lane.traffic.run(load);
    expect(sent).toBeGreaterThan(0);
    expect(received + late).toBe(sent);
  }
});

test('all pairs of many ports move frames', async () => {
  const { traffic } = await crossed(8);
  const { sent, received, late } = await traffic.run({ seconds: 0.02, size: '64' });
  expect(sent).toBeGreaterThan(0);
  expect(received + late).toBe(sent);
});

test('each timed frame is in the histogram', async () => {
  const { traffic } = await crossed();
  const load = { seconds: 0.02, size: '64', rate: 10_000, stamp: true };
  const { received, latency } = await traffic.run(load);
  const frames = latency?.histogram.reduce((sum, [, count]) => sum + count, 0);
  expect(received).toBeGreaterThan(0);
  expect(frames).toBe(received);
  expect(latency?.max).toBeGreaterThanOrEqual(latency?.p50 ?? Number.POSITIVE_INFINITY);
});

test('a frame wakes who waits', async () => {
  const { traffic } = await crossed();
  const { lost, latency } = await traffic.wake(5, 0.001);
  expect(lost).toBe(0);
  expect(latency.histogram.reduce((sum, [, count]) => sum + count, 0)).toBe(5);
});

test('a paused switch moves nothing', async () => {
  const lane = await crossed();
  lane.running.pause();
  const { received, late } = await lane.traffic.run({ seconds: 0.02, size: '64' });
  expect(received + late).toBe(0);
  lane.running.resume();
});
