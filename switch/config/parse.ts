/** Reads the text of a configuration file: YAML, of which JSON is a part. */
import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { invalid, type Mistake, SwitchError } from '../errors.js';
import { type Configuration, checkConfiguration } from './check.js';

/**
 * Checks the text of a configuration as a whole and fills in defaults.
 * @throws {SwitchError} `INVALID` with every mistake: of syntax with its line, of a value with its path.
 */
export function parseConfiguration(text: string): Configuration {
  return checkConfiguration(withoutEmpty(parseYaml(text)));
}

/**
 * The same for a file.
 * @throws {SwitchError} `NOT_FOUND`, `PERMISSION` or `SYSTEM` when the file cannot be read.
 */
export function readConfiguration(file: string): Configuration {
  return checkConfiguration(readYaml(file));
}

/** The object that a file holds, unchecked; `-` is standard input. */
export function readYaml(file: string): unknown {
  return withoutEmpty(parseYaml(readText(file)));
}

export function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw unreadable(file, cause as NodeJS.ErrnoException);
  }
}

function unreadable(file: string, cause: NodeJS.ErrnoException): SwitchError {
  const details = { path: file, cause };
  switch (cause.code) {
    case 'ENOENT':
      return new SwitchError('NOT_FOUND', `${file}: no such file`, details);
    case 'EACCES':
      return new SwitchError('PERMISSION', `${file}: may not be read by this user`, details);
    default:
      return new SwitchError('SYSTEM', `${file}: ${cause.message}`, details);
  }
}

function parseYaml(text: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const mistakes = [...document.errors, ...document.warnings].map((error): Mistake => {
    const { line, col } = lines.linePos(error.pos[0]);
    return { path: `line ${line}, column ${col}`, message: error.message };
  });
  if (mistakes.length > 0) {
    throw invalid(mistakes);
  }
  try {
    return document.toJS();
  } catch (cause) {
    // Too many aliases, the one fault that shows only when the document is unfolded.
    throw invalid([{ path: '', message: (cause as Error).message }], { cause });
  }
}

/** `bridges:` and `blue:` with nothing after them mean empty mappings, not null. */
function withoutEmpty(value: unknown, depth = 0): unknown {
  if (value === null && depth <= 2) {
    return {};
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value) || depth === 2) {
    return value;
  }
  const entries = Object.entries(value).map(([key, inner]) => [
    key,
    withoutEmpty(inner, depth + 1),
  ]);
  return Object.fromEntries(entries);
}
