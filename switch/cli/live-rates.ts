/** Live rates: a table in place on a terminal, else one line a second. */
import type { Rates, Sample } from '../statistics.js';
import { si, table } from './table.js';

export class LiveRates {
  #lines = 0;

  show({ rates }: Sample): void {
    process.stdout.write(process.stdout.isTTY ? this.#inPlace(rates) : `${oneLine(rates)}\n`);
  }

  #inPlace(rates: Rates): string {
    const rows = [...rates.ports].map(([port, { rx, tx, drops }]) => ({
      port,
      'rx frames/s': si(rx.frames),
      'rx bit/s': si(rx.bytes * 8),
      'tx frames/s': si(tx.frames),
      'tx bit/s': si(tx.bytes * 8),
      'drops/s': si(drops),
    }));
    const text = `${table(rows)}\n\nworker busy  ${busy(rates)}\n`;
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A\x1b[J` : '';
    this.#lines = text.split('\n').length - 1;
    return up + text;
  }
}

function oneLine(rates: Rates): string {
  const ports = [...rates.ports].map(
    ([port, { rx, tx, drops }]) =>
      `${port} rx ${si(rx.frames)}f/s ${si(rx.bytes * 8)}bit/s ` +
      `tx ${si(tx.frames)}f/s ${si(tx.bytes * 8)}bit/s drops ${si(drops)}/s`,
  );
  return [...ports, `worker ${busy(rates)}`].join(' | ');
}

function busy({ workers }: Rates): string {
  return workers.map((worker) => `${Math.round(worker.busy * 100)} %`).join(', ');
}
