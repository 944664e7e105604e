/** What the harness asks of a scenario. */
import type { Contender, Lane } from './lane.js';
import type { Peer, Topology } from './peer.js';

export interface Settings {
  /** Of each contender and variant; a scenario whose trials are long takes fewer. */
  trials: number;
  /** Length of one. */
  seconds: number;
  /** Frame sizes in bytes, or `imix`; undefined: each scenario's own. */
  sizes?: string[];
  /** Share of frames that the no-drop search lets pass as lost. */
  lossTolerance: number;
}

interface Metric {
  unit: string;
  better: 'more' | 'less';
}

/** One trial's figures by metric; undefined where it could not tell. */
export interface Sample {
  figures: Record<string, number>;
  /** Latency in nanoseconds: upper bound and frames of each bucket. */
  histogram?: [number, number][];
}

export interface Scenario {
  name: string;
  /** In a sentence. */
  what: string;
  /** In `--quick` runs too. */
  quick: boolean;
  metrics: Record<string, Metric>;
  /** Those that take turns; the first is the one the others are compared with. */
  contenders(peers: Peer[]): Contender[];
  /** Rows of the table; each is measured for itself. */
  variants(settings: Settings): string[];
  /** Default: the settings'. */
  trials?(settings: Settings): number;
  /** Before the first trial of a variant. */
  prepare?(lane: Lane, variant: string, settings: Settings): Promise<void>;
  trial(lane: Lane, variant: string, settings: Settings): Promise<Sample>;
}

export const standardTopology: Topology = {
  ports: 2,
  active: 2,
  forwarding: 'bridge',
  addresses: 1,
  largest: 1518,
  polling: 'busy',
};

/** Every peer, in the same topology; the load's own ceiling only where a scenario is about rates `andCeiling`. */
export function everyPeer(
  changes: Partial<Topology>,
  andCeiling = false,
): (peers: Peer[]) => Contender[] {
  const topology = { ...standardTopology, ...changes };
  return (peers) =>
    peers
      .filter(({ name }) => andCeiling || name !== 'unmoved')
      .map((peer) => ({ label: peer.name, peer, topology }));
}

/** The switch itself alone, in several topologies by label. */
export function onlyMemswitch(
  topologies: Record<string, Partial<Topology>>,
): (peers: Peer[]) => Contender[] {
  return (peers) =>
    peers
      .filter(({ name }) => name === 'memswitch')
      .flatMap((peer) =>
        Object.entries(topologies).map(([label, changes]) => ({
          label,
          peer,
          topology: { ...standardTopology, ...changes },
        })),
      );
}

/** Seconds before the counted part of a trial: caches fill, a woken switch finds its feet. */
export function warmUp(seconds: number): number {
  return Math.min(0.01, seconds / 4);
}
