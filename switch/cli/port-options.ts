/** The options of `memswitch add port`: those of every kind, made of the kinds' own schemas. */
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { kindNames, kinds } from '../../ports/index.js';
import { wholeNumber, yesNo } from './options.js';

interface Property {
  type?: string;
  description?: string;
  default?: unknown;
}

/** Properties of all kinds by name, without `kind`. */
function properties(): Map<string, Property> {
  const all = kinds.flatMap(({ schema }) => {
    const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
    return Object.entries(properties as Record<string, Property>);
  });
  return new Map(all.filter(([name]) => name !== 'kind'));
}

export function withPortOptions(command: Command): Command {
  command.addOption(
    new Option('--kind <kind>', 'kind of the port').choices(kindNames).makeOptionMandatory(),
  );
  for (const [name, { type, description = '', default: usual }] of properties()) {
    const note = usual === undefined || usual === '' ? '' : ` (default: ${usual})`;
    const option = new Option(`--${kebab(name)} <${placeholder(type)}>`, `${description}${note}`);
    command.addOption(option.argParser(parserOf(type)));
  }
  return command;
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function placeholder(type: string | undefined): string {
  return type === 'integer' || type === 'number'
    ? 'number'
    : type === 'boolean'
      ? 'true|false'
      : 'text';
}

function parserOf(type: string | undefined): (text: string) => string | number | boolean {
  switch (type) {
    case 'integer':
    case 'number':
      return wholeNumber;
    case 'boolean':
      return yesNo;
    default:
      return String;
  }
}
