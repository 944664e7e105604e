/** Where and with what a run was made. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cpus } from './lane.js';
import type { Peer } from './peer.js';
import { root } from './programs.js';
import type { Results } from './results.js';

/** Looks for a fifth of a second what else is going on. */
export async function machine({ load, switch: worker }: Cpus): Promise<Results['machine']> {
  return {
    busyBefore: await busy(200),
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    virtual: /^flags\s*:.*\bhypervisor\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')),
    memoryBytes: totalmem(),
    kernel: release(),
    loadCpu: load,
    switchCpu: worker,
  };
}

/** Share of all CPUs that is in use. */
async function busy(milliseconds: number): Promise<number> {
  const before = cpuTimes();
  await delay(milliseconds);
  const after = cpuTimes();
  return 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
}

function cpuTimes(): { idle: number; all: number } {
  const sum = { idle: 0, all: 0 };
  for (const { times } of cpus()) {
    sum.idle += times.idle;
    sum.all += Object.values(times).reduce((a, b) => a + b, 0);
  }
  return sum;
}

export function commit(): string {
  const git = (...args: string[]) =>
    spawnSync('git', ['-C', root, ...args], { encoding: 'utf8' }).stdout?.trim() ?? '';
  const head = git('rev-parse', '--short=12', 'HEAD');
  return head && git('status', '--porcelain') !== '' ? `${head}+` : head;
}

/** Of Node, the compiler, and each peer that can tell. */
export function versions(peers: Peer[]): Record<string, string> {
  const compiler = spawnSync('g++', ['-dumpfullversion'], { encoding: 'utf8' }).stdout?.trim();
  const found = peers.map((peer) => [peer.name, version(peer)] as const);
  return {
    node: process.version,
    ...(compiler && { 'g++': compiler }),
    ...Object.fromEntries(found.filter(([, text]) => text !== '')),
  };
}

function version(peer: Peer): string {
  try {
    return peer.version();
  } catch {
    return 'unknown'; // no reason to lose a run's figures
  }
}
