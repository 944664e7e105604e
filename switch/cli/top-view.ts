/** What `memswitch top` shows: rates between two answers of the API. */
import { styleText } from 'node:util';
import { si } from './table.js';

export interface Reading {
  /** Milliseconds, of any clock. */
  time: number;
  ports: {
    name: string;
    link: string;
    rx: { frames: number; bytes: number };
    tx: { frames: number; bytes: number };
    drops: Record<string, number>;
  }[];
  workers: {
    worker: number;
    cpu: number | null;
    frames: number;
    busyCycles: number;
    idleCycles: number;
  }[];
}

export const orders = ['name', 'rx', 'tx', 'drops'] as const;
export type Order = (typeof orders)[number];

interface Row {
  name: string;
  link: string;
  rx: number;
  rxBits: number;
  tx: number;
  txBits: number;
  drops: number;
  reason: string;
}

export function topLines(before: Reading, now: Reading, order: Order): string[] {
  const seconds = Math.max((now.time - before.time) / 1000, 0.001);
  const rows = now.ports.map((port) => row(before, port, seconds));
  const by = (a: Row, b: Row) =>
    order === 'name' ? a.name.localeCompare(b.name) : b[order] - a[order];
  const sum = (key: 'rx' | 'tx' | 'drops') => rows.reduce((total, each) => total + each[key], 0);
  const keys = orders.map((each) => (each === order ? styleText('inverse', each) : each)).join(' ');
  return [
    `memswitch top   rx ${si(sum('rx'))}f/s   tx ${si(sum('tx'))}f/s   drops ${si(sum('drops'))}/s`,
    `q quits; n r t d sort by: ${keys}`,
    '',
    ...now.workers.map((worker) => workerLine(before, worker, seconds)),
    '',
    styleText('bold', cells(['PORT', 'LINK', 'RX f/s', 'bit/s', 'TX f/s', 'bit/s', 'DROPS/s', ''])),
    ...rows.sort(by).map(portLine),
  ];
}

function row(before: Reading, port: Reading['ports'][number], seconds: number): Row {
  const old = before.ports.find(({ name }) => name === port.name);
  const rate = (now: number, was = 0) => (was > now ? now : now - was) / seconds;
  const dropped = Object.entries(port.drops)
    .map(([reason, frames]): [string, number] => [reason, rate(frames, old?.drops[reason])])
    .sort(([, a], [, b]) => b - a);
  const [reason, most] = dropped[0] ?? ['', 0];
  return {
    name: port.name,
    link: port.link,
    rx: rate(port.rx.frames, old?.rx.frames),
    rxBits: rate(port.rx.bytes, old?.rx.bytes) * 8,
    tx: rate(port.tx.frames, old?.tx.frames),
    txBits: rate(port.tx.bytes, old?.tx.bytes) * 8,
    drops: dropped.reduce((total, [, each]) => total + each, 0),
    reason: most > 0 ? reason : '',
  };
}

function portLine({ name, link, reason, ...rates }: Row): string {
  const { rx, rxBits, tx, txBits, drops } = rates;
  const numbers = [rx, rxBits, tx, txBits, drops].map(si);
  const text = cells([name, link, ...numbers, reason]);
  return link === 'down' ? styleText('dim', text) : drops > 0 ? styleText('red', text) : text;
}

function cells(texts: string[]): string {
  const [name = '', link = '', ...rest] = texts;
  const last = rest.pop() ?? '';
  const numbers = rest.map((text) => text.padStart(9)).join(' ');
  return `${name.slice(0, 16).padEnd(16)} ${link.padEnd(5)}${numbers}  ${last}`;
}

function workerLine(before: Reading, worker: Reading['workers'][number], seconds: number): string {
  const old = before.workers.find((other) => other.worker === worker.worker);
  const busy = worker.busyCycles - (old?.busyCycles ?? 0);
  const idle = worker.idleCycles - (old?.idleCycles ?? 0);
  const share = Math.min(Math.max(busy / Math.max(busy + idle, 1), 0), 1);
  const bar = '█'.repeat(Math.round(share * 20)).padEnd(20, '·');
  const frames = (worker.frames - (old?.frames ?? 0)) / seconds;
  const cpu = worker.cpu === null ? '' : `  CPU ${worker.cpu}`;
  const percent = `${Math.round(share * 100)} %`.padStart(5);
  return `worker ${worker.worker}  ${bar} ${percent}  ${si(frames).padStart(7)}f/s${cpu}`;
}
