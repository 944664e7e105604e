/** Tells what a schema refused: one mistake a path, with what was found and, for a misspelt key, what was probably meant. */
import { z } from 'zod';
import { invalid, type Mistake, type SwitchError } from '../errors.js';
import { nearest } from './nearest.js';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** The input as its schema completes it, or an error that tells all mistakes, with paths below `where`. */
export function parse<T>(schema: z.ZodType<T>, input: unknown, where: Path = []): T {
  const result = schema.safeParse(input);
  if (!result.success) {
    throw mistaken(schema, input, result.error, where);
  }
  return result.data;
}

function mistaken(
  schema: z.ZodType,
  input: unknown,
  error: z.ZodError,
  where: Path = [],
): SwitchError {
  const mistakes = mistakesOf(schema, input, error);
  const placed = mistakes.map(({ path, message }) => ({
    path: pathText([...where, ...path]),
    message,
  }));
  return invalid(placed);
}

export function mistakesOf(schema: z.ZodType, input: unknown, error: z.ZodError) {
  const told = new Map<string, { path: Path; message: string }>();
  for (const mistake of error.issues.flatMap((issue) => tell(issue, schema, input))) {
    const key = pathText(mistake.path);
    told.set(key, told.get(key) ?? mistake);
  }
  return [...told.values()];
}

function tell(issue: Issue, schema: z.ZodType, input: unknown): { path: Path; message: string }[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), path);
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known) }));
  }
  if (issue.code === 'invalid_key') {
    return [{ path, message: issue.issues[0]?.message ?? issue.message }];
  }
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.find((issues) => issues.length > 0 && issues.every(isInside));
    if (inner) {
      return inner.flatMap((each) =>
        tell({ ...each, path: [...path, ...each.path] }, schema, input),
      );
    }
  }
  return [{ path, message: `${issue.message}${found(path, input)}` }];
}

function isInside(issue: Issue): boolean {
  return issue.path.length > 0;
}

function found(path: Path, input: unknown): string {
  const value = path.reduce<unknown>(
    (outer, key) => (outer as Record<PropertyKey, unknown>)?.[key],
    input,
  );
  if (value === undefined) {
    return ', but is missing';
  }
  // A secret must not turn up in a terminal or a log because it was too long.
  return path.at(-1) === 'secret' ? '' : `, got ${shorten(JSON.stringify(value))}`;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function unknownKey(key: string, known: string[]): string {
  const meant = nearest(key, known);
  return meant
    ? `is not known, did you mean "${meant}"?`
    : `is not known; known: ${known.join(', ')}`;
}

/** Keys that a value at the path may have, by the schema. */
function keysAt(node: z.core.JSONSchema.BaseSchema, path: Path): string[] {
  const nodes = [node, ...(node.anyOf ?? []), ...(node.oneOf ?? [])];
  const [step, ...rest] = path;
  if (step === undefined) {
    return [...new Set(nodes.flatMap(({ properties = {} }) => Object.keys(properties)))];
  }
  const inner = nodes.map(
    (each) => each.properties?.[String(step)] ?? each.additionalProperties ?? each.items,
  );
  return [...new Set(inner.flatMap((each) => (isSchema(each) ? keysAt(each, rest) : [])))];
}

function isSchema(value: unknown): value is z.core.JSONSchema.BaseSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `ports.web.ringSize`, `workers[0].cpu`. */
export function pathText(path: Path): Mistake['path'] {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '');
}
