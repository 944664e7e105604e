/** Options that several commands have. */
import { type Command, InvalidArgumentError } from 'commander';

export interface ApiOption {
  api?: string;
}

export function withApi(command: Command): Command {
  return command.option(
    '--api <socket>',
    'socket of the API (default: MEMSWITCH_API, or the usual place)',
  );
}

/** Ends a command's help with lines that work as they stand. */
export function withExamples(command: Command, lines: string[]): Command {
  const text = lines.map((line) => `  ${line}`).join('\n');
  return command.addHelpText('after', `\nExamples:\n${text}`);
}

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new InvalidArgumentError('It must be a whole number.');
  }
  return Number(text);
}

export function yesNo(text: string): boolean {
  if (text !== 'true' && text !== 'false') {
    throw new InvalidArgumentError('It must be true or false.');
  }
  return text === 'true';
}

/** A query of those parameters that were given. */
export function query(parameters: Record<string, string | number | undefined>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(
    given.map(([key, value]): [string, string] => [key, String(value)]),
  ).toString();
  return text && `?${text}`;
}
