/** What an attachment may be asked for, checked: by the API and the CNI plugin. */
import { z } from 'zod';
import { interfaceName, name, oneOf, station } from '../../ports/checks.js';
import { type AttachmentRequest, attachmentDrivers, attachmentModes } from './attachment.js';

const path = z.string().regex(/^[/@]/, { error: 'must be an absolute path' });
const ipBits = z.string().regex(/^[0-9a-fA-F.:]+\/\d+$/, { error: 'must be as 192.0.2.1/24' });
const account = z.int().min(0);

export const attachmentRequest = z.strictObject({
  network: z.string().min(1),
  container: z.string().min(1),
  interface: interfaceName,
  kind: oneOf(['memif', 'kernel', 'vf']),
  driver: oneOf(attachmentDrivers).optional(),
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
