/** The OpenAPI document, made of the table of routes. */
import { z } from 'zod';
import { version } from '../status.js';
import type { Route } from './route.js';
import { failure } from './schemas.js';

type Json = Record<string, unknown>;

export function openApi(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  for (const [path, { summary, contentType }] of Object.entries(streams)) {
    const content = { [contentType]: { schema: { type: 'string' } } };
    paths[path] = { get: { summary, parameters: [], responses: responsesOf('200', content) } };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'memswitch', version, description: 'Manages a running switch.' },
    paths,
  };
}

/** What is not an object of JSON; see server.ts. */
const streams = {
  '/metrics': { summary: "Metrics in Prometheus' text format", contentType: 'text/plain' },
  '/events': {
    summary: 'What happens in the switch from now on, as server-sent events',
    contentType: 'text/event-stream',
  },
};

function responsesOf(status: string, content: Json | undefined): Json {
  const error = { 'application/json': { schema: output(failure) } };
  return {
    [status]: { description: 'Done', ...(content && { content }) },
    default: { description: 'Refused or failed', content: error },
  };
}

function operation(route: Route): Json {
  const { summary, params, query, body, status, response, contentType } = route;
  const content = response && { [contentType ?? 'application/json']: { schema: output(response) } };
  return {
    summary,
    parameters: [...parameters('path', params), ...parameters('query', query)],
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: input(body) } } },
    }),
    responses: responsesOf(String(status), content),
  };
}

function parameters(where: 'path' | 'query', schema: z.ZodType | undefined): Json[] {
  const { properties = {}, required = [] } = schema ? input(schema) : {};
  return Object.entries(properties).map(([name, each]) => ({
    name,
    in: where,
    required: required.includes(name),
    schema: each,
  }));
}

function input(schema: z.ZodType) {
  return jsonSchema(schema, 'input');
}

function output(schema: z.ZodType) {
  return jsonSchema(schema, 'output');
}

/** OpenAPI 3.1 schemas are of JSON Schema's 2020-12 dialect; each need not say so again. */
function jsonSchema(schema: z.ZodType, io: 'input' | 'output') {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
