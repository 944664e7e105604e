/** What a daemon asks of the one whose place it takes. */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { type Route, route } from './route.js';

const request = z.strictObject({
  socket: z.string().refine(isAbsolute, { error: 'must be an absolute path' }),
  pid: z.int().min(1),
});

export type TakeoverRequest = z.infer<typeof request>;

/** @param handOver gives everything to the process that waits at that socket, and ends this one. */
export function takeoverRoutes(handOver: (asked: TakeoverRequest) => void): Route[] {
  return [
    route({
      method: 'POST',
      url: '/v1/takeover',
      summary: 'Hands sockets and peers to a process of the same user, and ends this one',
      body: request,
      status: 204,
      handle: (_, { body }) => handOver(body),
    }),
  ];
}
