/** The operations on attachments. */
import { z } from 'zod';
import { name, oneOf } from '../../ports/checks.js';
import type { AttachmentStatus } from '../attach/attachment.js';
import { attachmentRequest } from '../attach/attachment-schema.js';
import type { Attachments } from '../attach/attachments.js';
import { type Route, route } from './route.js';

const status = attachmentRequest.extend({
  id: z.string(),
  sandbox: z.string().optional(),
  state: oneOf(['pending', 'ready', 'failed']),
  portName: z.string(),
  mac: z.string(),
  mtu: z.int(),
  host: z.strictObject({ name: z.string(), mac: z.string() }).optional(),
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
      body: attachmentRequest,
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
