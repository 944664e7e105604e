/** The options of `memswitch add port` and `set port`, made of the schemas of what they give. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parse } from 'yaml';
import { z } from 'zod';
import { kindNames, kinds } from '../../ports/index.js';
import { portChangesSchema } from '../../ports/kind.js';
import { wholeNumber, yesNo } from './options.js';

interface Property {
  type?: string;
  anyOf?: Property[];
  description?: string;
  default?: unknown;
}

/** By name, without `kind`. */
function properties(schemas: readonly z.ZodType[]): Map<string, Property> {
  const all = schemas.flatMap((schema) => {
    const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
    return Object.entries(properties as Record<string, Property>);
  });
  return new Map(all.filter(([name]) => name !== 'kind'));
}

export function withPortOptions(command: Command): Command {
  command.addOption(
    new Option('--kind <kind>', 'kind of the port').choices(kindNames).makeOptionMandatory(),
  );
  const schemas = kinds.map(({ schema }) => schema);
  return withOptions(command, schemas);
}

export function withPortChanges(command: Command): Command {
  return withOptions(command, [portChangesSchema]);
}

function withOptions(command: Command, schemas: readonly z.ZodType[]): Command {
  for (const [name, property] of properties(schemas)) {
    const { description = '', default: usual } = property;
    const plain = usual !== undefined && usual !== null && usual !== '' && !isNested(property);
    const note = plain ? ` (default: ${usual})` : '';
    const flags = `--${kebab(name)} <${placeholder(property)}>`;
    command.addOption(new Option(flags, `${description}${note}`).argParser(parserOf(property)));
  }
  return command;
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Whether it has parts, or may be null: such a value is written as in a configuration. */
function isNested({ type, anyOf = [] }: Property): boolean {
  return type === 'object' || type === 'array' || anyOf.some((each) => each.type === 'null');
}

function placeholder(property: Property): string {
  if (isNested(property)) {
    return 'yaml';
  }
  const { type } = property;
  return type === 'integer' || type === 'number'
    ? 'number'
    : type === 'boolean'
      ? 'true|false'
      : 'text';
}

function parserOf(property: Property): (text: string) => unknown {
  if (isNested(property)) {
    return yaml;
  }
  switch (property.type) {
    case 'integer':
    case 'number':
      return wholeNumber;
    case 'boolean':
      return yesNo;
    default:
      return String;
  }
}

/** Stands for null, which commander takes for an option without a value. */
const nothing = Symbol('null');

/** Options as they were meant. */
export function meant(options: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(options);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value === nothing ? null : value]),
  );
}

function yaml(text: string): unknown {
  try {
    return parse(text) ?? nothing;
  } catch {
    throw new InvalidArgumentError('It must be YAML or JSON, as in a configuration.');
  }
}
