/** The JSON Schema of a configuration, and the page docs/configuration.md, both made of the schemas that check configurations. */
import { z } from 'zod';
import { configurationSchema } from '../config/schema.js';

type Json = z.core.JSONSchema.BaseSchema;

/** For editors: what a configuration file may hold. Checks that span several values are not in it. */
export function jsonSchema(): Json {
  const schema = z.toJSONSchema(configurationSchema, { io: 'input', unrepresentable: 'any' });
  return { ...schema, title: 'Configuration of memswitch' };
}

const intro = `# Configuration

<!-- Made by \`npm run reference\` of the schemas in switch/config and ports; a test fails when it is not current. -->

A file of YAML or JSON, or the same object in TypeScript (\`Switch.start\`). It is checked as a whole before anything changes, and
every mistake is told with its path. [memswitch.schema.json](memswitch.schema.json) is the same as JSON Schema, also printed by
\`memswitch schema\`; with this first line editors that know YAML check a file and complete its keys:

\`\`\`yaml
# yaml-language-server: $schema=./memswitch.schema.json
bridges:
  blue: { ageing: 300 }
ports:
  web: { kind: memif, bridge: blue, socket: /run/memswitch/web.sock }
\`\`\`

\`memswitch apply FILE\` makes a live switch what a file describes; options marked *live* change in place then, for others the port
is replaced.
`;

export function configurationPage(live: ReadonlySet<string>): string {
  const { properties = {} } = jsonSchema();
  const { bridges, ports, workers, ...others } = properties as Record<string, Json>;
  const bridge = schemaOf(bridges?.additionalProperties);
  const kinds = (schemaOf(ports?.additionalProperties).oneOf ?? []) as Json[];
  const parts = [
    intro,
    '## The whole\n',
    table({ workers: workers ?? {}, ...others, bridges: bridges ?? {}, ports: ports ?? {} }),
    '## A worker: `workers[]`\n',
    table(workerProperties(workers)),
    '## A bridge: `bridges.NAME`\n',
    table(
      (bridge.properties ?? {}) as Record<string, Json>,
      new Set(['ageing', 'learn', 'flood', 'static']),
    ),
    ...kinds.flatMap((kind) => {
      const { kind: name, ...rest } = (kind.properties ?? {}) as Record<string, Json>;
      return [
        `## A port of kind \`${name?.const}\`: \`ports.NAME\`\n`,
        table(rest, live, kind.required),
      ];
    }),
  ];
  return `${parts.join('\n')}`;
}

function workerProperties(workers: Json | undefined): Record<string, Json> {
  const list = (workers?.anyOf ?? []).map(schemaOf).find(({ type }) => type === 'array');
  return (schemaOf(list?.items).properties ?? {}) as Record<string, Json>;
}

function table(
  properties: Record<string, Json>,
  live: ReadonlySet<string> = new Set(),
  required: readonly string[] = [],
): string {
  const rows = Object.entries(properties).map(([name, schema]) => {
    const usual = required.includes(name) ? '*required*' : defaultOf(schema);
    const what = cell(schema.description ?? '');
    return `| \`${name}\` | ${cell(typeOf(schema))} | ${usual} | ${what}${live.has(name) ? ' *(live)*' : ''} |`;
  });
  return `| key | value | default | |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

function defaultOf({ default: usual }: Json): string {
  return usual === undefined ? '' : `\`${JSON.stringify(usual)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** What a value must be, in words. */
function typeOf(schema: Json): string {
  const union = schema.anyOf ?? schema.oneOf;
  if (union) {
    return [...new Set(union.map((each) => typeOf(schemaOf(each))))].join(' or ');
  }
  if (schema.const !== undefined) {
    return `\`${String(schema.const)}\``;
  }
  if (schema.enum) {
    return schema.enum.map((value) => `\`${String(value)}\``).join(' or ');
  }
  switch (schema.type) {
    case 'integer':
    case 'number':
      return range(schema);
    case 'boolean':
      return '`true` or `false`';
    case 'string':
      return 'text';
    case 'array':
      return `list of ${typeOf(schemaOf(schema.items))}`;
    case 'object':
      return schema.properties ? objectOf(schema) : 'mapping by name';
    default:
      return 'anything';
  }
}

function objectOf({ properties = {} }: Json): string {
  return `{ ${Object.keys(properties).join(', ')} }`;
}

function range({ minimum, maximum }: Json): string {
  const open = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER;
  return open ? `number, from ${minimum ?? 0}` : `${minimum} to ${maximum}`;
}

function schemaOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
