/** All operations of the API. */
import { z } from 'zod';
import { name } from '../../ports/checks.js';
import { portSchema } from '../../ports/index.js';
import { portChangesSchema } from '../../ports/kind.js';
import { vtepSchema } from '../../ports/vxlan.js';
import {
  bridgeChangesSchema,
  bridgeSchema,
  configurationSchema,
  workerSchema,
} from '../config/schema.js';
import { SwitchError } from '../errors.js';
import { macSchema, stationSchema } from '../mac.js';
import { macFilterSchema } from '../macs.js';
import { configurationLimitBytes } from './limits.js';
import { type Route, route } from './route.js';
import * as answer from './schemas.js';
import { watchingRoutes } from './watching-routes.js';

const named = z.strictObject({ name });
const numbered = z.strictObject({ worker: z.coerce.number().pipe(z.int().min(0)) });

/** In a query everything is text. */
const limitInQuery = z.coerce
  .number({ error: 'must be a number' })
  .pipe(macFilterSchema.shape.limit.unwrap())
  .default(10_000);

const flagInQuery = z
  .enum(['true', 'false'], { error: 'must be true or false' })
  .default('false')
  .transform((text) => text === 'true');

const switchRoutes = [
  route({
    method: 'GET',
    url: '/v1/switch',
    summary: 'The whole in a few numbers',
    status: 200,
    response: answer.switchStatus,
    handle: (sw) => sw.status(),
  }),
  route({
    method: 'GET',
    url: '/v1/workers',
    summary: 'Poll workers',
    status: 200,
    response: z.array(answer.workerStatus),
    handle: (sw) => sw.workers(),
  }),
  route({
    method: 'POST',
    url: '/v1/workers',
    summary: 'Adds a worker, which takes its share of the queues',
    body: workerSchema,
    bodyCheckedBySwitch: true,
    status: 201,
    response: z.strictObject({ worker: z.int().min(0) }),
    handle: async (sw, { body }) => ({ worker: await sw.addWorker(body) }),
  }),
  route({
    method: 'PATCH',
    url: '/v1/workers/:worker',
    summary: 'Changes a worker while it works',
    params: numbered,
    body: workerSchema,
    bodyCheckedBySwitch: true,
    status: 204,
    handle: (sw, { params, body }) => sw.setWorker(params.worker, body),
  }),
  route({
    method: 'DELETE',
    url: '/v1/workers/:worker',
    summary: 'Removes a worker; others take its queues',
    params: numbered,
    status: 204,
    handle: (sw, { params }) => sw.removeWorker(params.worker),
  }),
  route({
    method: 'GET',
    url: '/v1/drops',
    summary: 'What was dropped, by port and reason; only what is above zero',
    status: 200,
    response: z.array(answer.drop),
    handle: (sw) => sw.drops(),
  }),
  route({
    method: 'GET',
    url: '/healthz',
    summary: 'Whether every worker runs',
    status: 200,
    response: z.strictObject({ status: z.literal('ok') }),
    handle(sw) {
      const stopped = sw.workers().find(({ running }) => !running);
      if (stopped) {
        throw new SwitchError('CLOSED', `worker ${stopped.worker} does not run`);
      }
      return { status: 'ok' };
    },
  }),
];

const configurationRoutes = [
  route({
    method: 'POST',
    url: '/v1/apply',
    summary: 'Makes the switch what a configuration describes; tells the differences',
    query: z.strictObject({ dryRun: flagInQuery, prune: flagInQuery }),
    body: configurationSchema,
    bodyCheckedBySwitch: true,
    bodyLimit: configurationLimitBytes,
    status: 200,
    response: z.array(answer.change),
    handle: (sw, { query, body }) => sw.apply(body, query),
  }),
];

const portRoutes = [
  route({
    method: 'GET',
    url: '/v1/ports',
    summary: 'All ports with links and counters',
    status: 200,
    response: z.array(answer.portStatus),
    handle: (sw) => sw.ports(),
  }),
  route({
    method: 'GET',
    url: '/v1/ports/:name',
    summary: 'One port',
    params: named,
    status: 200,
    response: answer.portStatus,
    handle: (sw, { params }) => sw.port(params.name),
  }),
  route({
    method: 'POST',
    url: '/v1/ports/:name',
    summary: 'Adds a port; the body is what a configuration has under its name',
    params: named,
    body: portSchema,
    bodyCheckedBySwitch: true,
    status: 201,
    response: answer.portStatus,
    async handle(sw, { params, body }) {
      await sw.addPort(params.name, body);
      return sw.port(params.name);
    },
  }),
  route({
    method: 'PATCH',
    url: '/v1/ports/:name',
    summary: 'Changes a live port',
    params: named,
    body: portChangesSchema,
    bodyCheckedBySwitch: true,
    status: 200,
    response: answer.portStatus,
    async handle(sw, { params, body }) {
      await sw.setPort(params.name, body);
      return sw.port(params.name);
    },
  }),
  route({
    method: 'PUT',
    url: '/v1/ports/:name/queues/:queue',
    summary: 'Moves a receive queue to a worker',
    params: z.strictObject({ name, queue: z.coerce.number().pipe(z.int().min(0).max(65_535)) }),
    body: z.strictObject({ worker: z.int().min(0).max(65_535) }),
    status: 204,
    handle: (sw, { params, body }) => sw.setQueue(params.name, params.queue, body.worker),
  }),
  route({
    method: 'DELETE',
    url: '/v1/ports/:name',
    summary: 'Removes a port',
    params: named,
    status: 204,
    handle: (sw, { params }) => sw.removePort(params.name),
  }),
];

const bridgeRoutes = [
  route({
    method: 'GET',
    url: '/v1/bridges',
    summary: 'All bridges',
    status: 200,
    response: z.array(answer.bridgeStatus),
    handle: (sw) => sw.bridges(),
  }),
  route({
    method: 'GET',
    url: '/v1/bridges/:name',
    summary: 'One bridge',
    params: named,
    status: 200,
    response: answer.bridgeStatus,
    handle: (sw, { params }) => sw.bridge(params.name),
  }),
  route({
    method: 'POST',
    url: '/v1/bridges/:name',
    summary: 'Adds a bridge',
    params: named,
    body: bridgeSchema,
    bodyCheckedBySwitch: true,
    status: 201,
    response: answer.bridgeStatus,
    async handle(sw, { params, body }) {
      await sw.addBridge(params.name, body);
      return sw.bridge(params.name);
    },
  }),
  route({
    method: 'PATCH',
    url: '/v1/bridges/:name',
    summary: 'Changes a bridge',
    params: named,
    body: bridgeChangesSchema,
    bodyCheckedBySwitch: true,
    status: 200,
    response: answer.bridgeStatus,
    async handle(sw, { params, body }) {
      await sw.setBridge(params.name, body);
      return sw.bridge(params.name);
    },
  }),
  route({
    method: 'DELETE',
    url: '/v1/bridges/:name',
    summary: 'Removes a bridge without ports',
    params: named,
    status: 204,
    handle: (sw, { params }) => sw.removeBridge(params.name),
  }),
];

const macRoutes = [
  route({
    method: 'GET',
    url: '/v1/macs',
    summary: 'Addresses, learned and static',
    query: macFilterSchema.extend({
      limit: limitInQuery,
    }),
    status: 200,
    response: answer.macList,
    handle: (sw, { query }) => sw.macs(query),
  }),
  route({
    method: 'POST',
    url: '/v1/macs',
    summary: 'Adds a static address',
    body: z.strictObject({
      bridge: name,
      mac: stationSchema,
      port: name,
      remote: vtepSchema.optional().describe('Of a tunnel: the remote it is behind'),
    }),
    status: 204,
    handle: (sw, { body }) => sw.addStaticMac(body.bridge, body.mac, body.port, body.remote),
  }),
  route({
    method: 'DELETE',
    url: '/v1/macs',
    summary: 'Removes one address, static or learned',
    query: z.strictObject({ bridge: name, mac: macSchema }),
    status: 204,
    handle: (sw, { query }) => sw.removeMac(query.bridge, query.mac),
  }),
  route({
    method: 'POST',
    url: '/v1/macs/flush',
    summary: 'Removes learned addresses, of one bridge, one port or all',
    body: z.strictObject({ bridge: name.optional(), port: name.optional() }),
    status: 200,
    response: z.strictObject({ removed: z.int().min(0) }),
    handle: async (sw, { body }) => ({ removed: await sw.flushMacs(body) }),
  }),
];

const tunnelRoutes = [
  route({
    method: 'GET',
    url: '/v1/tunnels',
    summary: 'All tunnels with their remotes',
    status: 200,
    response: z.array(answer.tunnelStatus),
    handle: (sw) => sw.tunnels(),
  }),
  route({
    method: 'GET',
    url: '/v1/tunnels/:name',
    summary: 'One tunnel',
    params: named,
    status: 200,
    response: answer.tunnelStatus,
    handle: (sw, { params }) => sw.tunnel(params.name),
  }),
  route({
    method: 'POST',
    url: '/v1/tunnels/:name/remotes',
    summary: 'Adds a remote to a live tunnel',
    params: named,
    body: z.strictObject({ address: vtepSchema }),
    status: 201,
    response: answer.tunnelStatus,
    async handle(sw, { params, body }) {
      await sw.addRemote(params.name, body.address);
      return sw.tunnel(params.name);
    },
  }),
  route({
    method: 'DELETE',
    url: '/v1/tunnels/:name/remotes',
    summary: 'Removes a remote, and the addresses behind it',
    params: named,
    query: z.strictObject({ address: vtepSchema }),
    status: 204,
    handle: (sw, { params, query }) => sw.removeRemote(params.name, query.address),
  }),
];

export const routes: Route[] = [
  ...switchRoutes,
  ...configurationRoutes,
  ...portRoutes,
  ...bridgeRoutes,
  ...macRoutes,
  ...tunnelRoutes,
  ...watchingRoutes,
];
