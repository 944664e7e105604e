/** Captures and mirrors. */
import { z } from 'zod';
import { name } from '../../ports/checks.js';
import { captureSchema } from '../captures.js';
import { mirrorSchema } from '../mirrors.js';
import { type Route, route } from './route.js';
import * as answer from './schemas.js';

const named = z.strictObject({ name });

/** In a query everything is text. */
const number = <T extends z.ZodType<number, number>>(schema: T) =>
  z.coerce.number({ error: 'must be a number' }).pipe(schema);
const { snaplen, count, buffer, drops } = captureSchema.shape;

const captureQuery = captureSchema.extend({
  ports: z
    .string({ error: 'must be names of ports, with commas between' })
    .transform((text) => text.split(','))
    .pipe(z.array(name)),
  snaplen: number(snaplen.unwrap()).default(0),
  count: number(count.unwrap()).default(0),
  buffer: number(buffer.unwrap()).default(4),
  drops: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .transform((text) => text === 'true')
    .pipe(drops.unwrap())
    .default(false),
});

export const watchingRoutes: Route[] = [
  route({
    method: 'GET',
    url: '/v1/capture',
    summary: 'Captures frames of ports, as a pcapng stream until the connection is closed',
    query: captureQuery,
    status: 200,
    response: z.string().describe('pcapng'),
    contentType: 'application/x-pcapng',
    handle: (sw, { query: { ports, ...options } }) => sw.capture(ports, options),
  }),
  route({
    method: 'GET',
    url: '/v1/captures',
    summary: 'Captures under way',
    status: 200,
    response: z.array(answer.captureStatus),
    handle: (sw) => sw.captures(),
  }),
  route({
    method: 'POST',
    url: '/v1/why',
    summary: 'Where a frame would go, and why; changes nothing',
    body: z.strictObject({
      mac: z.string().optional().describe('Destination of the frame'),
      frame: z.string().optional().describe('Or all of it, in hexadecimal'),
      port: name.optional().describe('Port that it comes in from'),
    }),
    status: 200,
    response: z.array(answer.explanation),
    handle: (sw, { body }) => sw.why(body),
  }),
  route({
    method: 'GET',
    url: '/v1/mirrors',
    summary: 'All mirrors with their counters',
    status: 200,
    response: z.array(answer.mirrorStatus),
    handle: (sw) => sw.mirrors(),
  }),
  route({
    method: 'GET',
    url: '/v1/mirrors/:name',
    summary: 'One mirror',
    params: named,
    status: 200,
    response: answer.mirrorStatus,
    handle: (sw, { params }) => sw.mirror(params.name),
  }),
  route({
    method: 'POST',
    url: '/v1/mirrors/:name',
    summary: 'Adds a mirror; the body is what a configuration has under its name',
    params: named,
    body: mirrorSchema,
    bodyCheckedBySwitch: true,
    status: 201,
    response: answer.mirrorStatus,
    async handle(sw, { params, body }) {
      await sw.addMirror(params.name, body);
      return sw.mirror(params.name);
    },
  }),
  route({
    method: 'DELETE',
    url: '/v1/mirrors/:name',
    summary: 'Removes a mirror; the port that got the copies is back in its bridge',
    params: named,
    status: 204,
    handle: (sw, { params }) => sw.removeMirror(params.name),
  }),
];
