/** The page docs/api.md, made of the OpenAPI document. */
import type { z } from 'zod';

type Schema = z.core.JSONSchema.BaseSchema;

interface Operation {
  summary: string;
  parameters: { name: string; in: string; required: boolean; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

const intro = `# The API

<!-- Made by \`npm run reference\` of the routes in switch/api; a test fails when it is not current. -->

HTTP and JSON on the daemon's UNIX socket (\`/run/memswitch/api.sock\` as root, else \`$XDG_RUNTIME_DIR/memswitch/api.sock\`; the
environment's \`MEMSWITCH_API\` names another), which its owner and group may use; \`GET /openapi.json\` describes it for programs. Counters
are integers of up to 64 bits: read them by a parser that keeps them.

\`\`\`sh
curl --silent --unix-socket "$MEMSWITCH_API" http://memswitch/v1/ports
\`\`\`

A refusal is \`{ "error": { "code", "message", "path"?, "mistakes"? } }\` with status 400 (mistakes, each with its path), 401 (no token),
403 (the operating system refuses), 404, 409 (exists, in use, a limit), 429 (busy: ask again), 500 or 503.

Over TCP it is served only when asked for, with TLS and a token: \`memswitch run --listen HOST:PORT --tls-cert FILE --tls-key FILE
--token-file FILE\`; requests then carry \`Authorization: Bearer TOKEN\`.
`;

/** `limits`: lines about what a client may ask. */
export function apiPage(document: Record<string, unknown>, limits: string): string {
  const paths = document.paths as Record<string, Record<string, Operation>>;
  const parts = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) =>
      operationText(`${method.toUpperCase()} ${path}`, operation),
    ),
  );
  return `${intro}\n${limits}\n${parts.join('\n')}`;
}

function operationText(title: string, operation: Operation): string {
  const { summary, parameters, requestBody, responses } = operation;
  const query = parameters.filter((each) => each.in === 'query');
  const [status = '', response] = Object.entries(responses)[0] ?? [];
  const [type = '', answer] = Object.entries(response?.content ?? {})[0] ?? [];
  const body = requestBody?.content['application/json']?.schema;
  const lines = [
    `## ${title}\n`,
    `${summary}.\n`,
    ...(query.length > 0 ? [`Query: ${query.map(parameterText).join('; ')}.\n`] : []),
    ...(body ? [`Body: ${shape(body)}\n`.replace(': \n', ':\n')] : []),
    type === 'application/json' && answer
      ? `Answers ${status}: ${shape(answer.schema)}\n`.replace(': \n', ':\n')
      : `Answers ${status}${type ? `, \`${type}\`` : ', without a body'}.\n`,
  ];
  return lines.join('\n');
}

function parameterText({ name, required, schema }: Operation['parameters'][number]): string {
  const usual = schema.default === undefined ? '' : `, default ${JSON.stringify(schema.default)}`;
  const choices = schema.enum ? ` (${schema.enum.join(', ')})` : '';
  return `\`${name}\`${choices}${required && usual === '' ? '' : ', optional'}${usual}`;
}

/** A port or a configuration is described elsewhere. */
function shape(schema: Schema): string {
  const properties = Object.keys(schema.properties ?? {});
  const isConfiguration = properties.includes('bridges') && properties.includes('polling');
  if (schema.oneOf || isConfiguration) {
    return 'see [configuration](configuration.md).';
  }
  const text = typeText(schema, 0);
  return text.includes('\n') ? `\n\n\`\`\`ts\n${text}\n\`\`\`` : `\`${text}\``;
}

/** As TypeScript writes it. */
function typeText(schema: Schema, depth: number): string {
  const union = schema.anyOf ?? schema.oneOf;
  if (union) {
    return union.map((each) => typeText(each as Schema, depth)).join(' | ');
  }
  if (schema.const !== undefined) {
    return JSON.stringify(schema.const);
  }
  if (schema.enum) {
    return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  }
  switch (schema.type) {
    case 'array':
      return `${typeText((schema.items ?? {}) as Schema, depth)}[]`;
    case 'object':
      return objectText(schema, depth);
    case 'integer':
      return 'integer';
    case undefined:
      return 'unknown';
    default:
      return String(schema.type);
  }
}

function objectText(schema: Schema, depth: number): string {
  const { properties = {}, required = [], additionalProperties } = schema;
  const members = Object.entries(properties).map(([name, each]) => {
    const text = typeText(each as Schema, depth + 1);
    return `${name}${required.includes(name) ? '' : '?'}: ${text}`;
  });
  if (members.length === 0) {
    return typeof additionalProperties === 'object'
      ? `{ [name: string]: ${typeText(additionalProperties as Schema, depth)} }`
      : '{}';
  }
  const oneLine = `{ ${members.join(', ')} }`;
  const indent = '  '.repeat(depth);
  return oneLine.length <= 60 && !oneLine.includes('\n')
    ? oneLine
    : `{\n${members.map((member) => `${indent}  ${member};`).join('\n')}\n${indent}}`;
}
