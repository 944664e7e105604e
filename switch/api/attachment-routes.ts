/** The operations on attachments: what the CNI plugin is a client of. */
import { z } from 'zod';
import { name, oneOf, station } from '../../ports/checks.js';
import {
  type AttachmentRequest,
  type AttachmentStatus,
  attachmentModes,
} from '../attach/attachment.js';
import type { Attachments } from '../attach/attachments.js';
import { type Route, route } from './route.js';

const path = z.string().regex(/^[/@]/, { error: 'must be an absolute path' });
const ipBits = z.string().regex(/^[0-9a-fA-F.:]+\/\d+$/, { error: 'must be as 192.0.2.1/24' });
const account = z.int().min(0);

const request = z.strictObject({
  network: z.string().min(1),
  container: z.string().min(1),
  interface: z.string().regex(/^(?!\.{1,2}$)[^\s/:,%]{1,15}$/, {
    error: 'must be the name of an interface, at most 15 characters',
  }),
  kind: oneOf(['memif', 'kernel', 'vf']),
  bridge: name,
  ready: z.boolean().optional(),
  netns: path.optional(),
  mac: station.optional(),
  mtu: z.int().min(68).max(65_517).optional(),
  addresses: z.array(ipBits).optional(),
  routes: z
    .array(z.strictObject({ destination: ipBits, gateway: z.string().optional() }))
    .optional(),
  socket: path.optional(),
  owner: account.optional(),
  group: account.optional(),
  role: oneOf(['server', 'client']).optional(),
  queues: z.int().optional(),
  ringSize: z.int().optional(),
  bufferSize: z.int().optional(),
  device: z.string().optional(),
  holder: oneOf(['pod', 'switch']).optional(),
  mode: oneOf(attachmentModes).optional(),
  port: z.record(z.string(), z.unknown()).optional(),
  note: z.unknown().optional(),
}) satisfies z.ZodType<AttachmentRequest>;

const status = request.extend({
  id: z.string(),
  sandbox: z.string().optional(),
  state: oneOf(['pending', 'ready', 'failed']),
  portName: z.string(),
  mac: z.string(),
  mtu: z.int(),
  file: z.string().optional(),
  problems: z.array(z.string()),
}) satisfies z.ZodType<AttachmentStatus>;

const identified = z.strictObject({ id: name });

export function attachmentRoutes(attachments: Attachments): Route[] {
  return [
    route({
      method: 'GET',
      url: '/v1/attachments',
      summary: 'Interfaces of containers, of one network or all',
      query: z.strictObject({ network: z.string().optional() }),
      status: 200,
      response: z.array(status),
      handle: (_, { query }) => attachments.all(query.network),
    }),
    route({
      method: 'GET',
      url: '/v1/attachments/:id',
      summary: 'One of them, with what is not as it should be',
      params: identified,
      status: 200,
      response: status,
      handle: (_, { params }) => attachments.one(params.id),
    }),
    route({
      method: 'PUT',
      url: '/v1/attachments/:id',
      summary: 'Makes one, or makes it what is asked for; may be repeated',
      params: identified,
      body: request,
      status: 200,
      response: status,
      handle: (_, { params, body }) => attachments.put(params.id, body),
    }),
    route({
      method: 'POST',
      url: '/v1/attachments/:id/detach',
      summary: 'Takes its interface away; the record stays until it is removed',
      params: identified,
      status: 204,
      handle: (_, { params }) => attachments.detach(params.id),
    }),
    route({
      method: 'DELETE',
      url: '/v1/attachments/:id',
      summary: 'Removes one; may be repeated',
      params: identified,
      status: 204,
      handle: (_, { params }) => attachments.remove(params.id),
    }),
  ];
}
