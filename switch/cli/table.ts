/** Tables for people: aligned columns, numbers to the right. */
import { paint } from './colour.js';

export type Cell = string | number | bigint | boolean | null;
export type Rows = Record<string, Cell>[];

const integers = new Intl.NumberFormat('en-US');

/** Empty for no rows, so that a caller can say so in its own words. */
export function table(rows: Rows): string {
  const columns = Object.keys(rows[0] ?? {});
  const texts = rows.map((row) => columns.map((column) => text(row[column] ?? null)));
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...texts.map((line) => line[index]?.length ?? 0)),
  );
  const right = columns.map((column) => rows.every((row) => isNumeric(row[column] ?? null)));
  const line = (cells: string[]) =>
    cells
      .map((cell, index) => pad(cell, widths[index] ?? 0, right[index] ?? false))
      .join('  ')
      .trimEnd();
  return [strong(line(columns.map((column) => column.toUpperCase()))), ...texts.map(line)].join(
    '\n',
  );
}

/** Names and values below each other, for one thing. */
export function list(values: Record<string, Cell>): string {
  const width = Math.max(...Object.keys(values).map((key) => key.length));
  return Object.entries(values)
    .map(([key, value]) => `${strong(key.padEnd(width))}  ${text(value)}`)
    .join('\n');
}

export function strong(line: string): string {
  return paint('bold', line);
}

/** A rate as people read it: `12.3 M`. */
export function si(value: number): string {
  const units = ['', ' k', ' M', ' G', ' T'];
  let [scaled, unit] = [value, 0];
  while (scaled >= 1000 && unit < units.length - 1) {
    [scaled, unit] = [scaled / 1000, unit + 1];
  }
  const digits = unit === 0 || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2;
  return `${scaled.toFixed(digits)}${units[unit]}`;
}

export function number(value: number | bigint): string {
  return integers.format(value);
}

function text(cell: Cell): string {
  if (cell === null || cell === '') {
    return '-';
  }
  return typeof cell === 'number' || typeof cell === 'bigint' ? number(cell) : String(cell);
}

function isNumeric(cell: Cell): boolean {
  const scaled = typeof cell === 'string' && /^[\d.]+( [kMGT])?$/.test(cell);
  return cell === null || typeof cell === 'number' || typeof cell === 'bigint' || scaled;
}

function pad(cell: string, width: number, right: boolean): string {
  return right ? cell.padStart(width) : cell.padEnd(width);
}
