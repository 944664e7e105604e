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
  return {
    openapi: '3.1.0',
    info: { title: 'memswitch', version, description: 'Manages a running switch.' },
    paths,
  };
}

function operation(route: Route): Json {
  const { summary, params, query, body, status, response, contentType } = route;
  const content = response && { [contentType ?? 'application/json']: { schema: output(response) } };
  const error = { 'application/json': { schema: output(failure) } };
  return {
    summary,
    parameters: [...parameters('path', params), ...parameters('query', query)],
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: input(body) } } },
    }),
    responses: {
      [status]: { description: 'Done', ...(content && { content }) },
      default: { description: 'Refused or failed', content: error },
    },
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
