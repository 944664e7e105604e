/** The shape of a configuration: what each value must be, and the defaults. What spans several values is in check.ts. */
import { z } from 'zod';
import { flag, integer, name, oneOf, polling } from '../../ports/checks.js';
import { portSchema } from '../../ports/index.js';
import { vtepSchema } from '../../ports/vxlan.js';
import { stationSchema } from '../mac.js';
import { mirrorSchema } from '../mirrors.js';
import { native } from '../native.js';
import type { StaticPlace, SwitchOptions } from './options.js';

const { limits } = native;
const mapping = { error: 'must be a mapping' };

export const workerSchema = z.strictObject(
  { cpu: integer(0, 4095).optional(), polling: polling.optional() },
  mapping,
);

const bridgeFields = {
  ageing: integer(0, limits.ageing).describe(
    'Seconds a learned address lives without traffic; 0 = for ever',
  ),
  learn: flag().describe('Whether source addresses are learned'),
  flood: flag().describe('Whether broadcast, multicast and unknown unicast are flooded'),
};
const macLimit = integer(1, limits.macs).describe('Most addresses, learned and static');

/** What may change while a bridge lives. */
export const bridgeChangesSchema = z.strictObject(bridgeFields, mapping).partial();

export const bridgeSchema = z.strictObject(
  {
    ageing: bridgeFields.ageing.default(300),
    macLimit: macLimit.default(65_536),
    learn: bridgeFields.learn.default(true),
    flood: bridgeFields.flood.default(true),
    vlans: flag().default(false).describe('Whether its ports carry VLANs (access, trunk)'),
  },
  mapping,
);

const staticError = 'must be the name of a port, or of a tunnel its port and remote';

/** Where a static address is. */
const staticSchema = z.union(
  [
    name.transform((port): StaticPlace => ({ port })),
    z.strictObject({ port: name, remote: vtepSchema.optional() }),
  ],
  { error: staticError },
);

const bridgeConfigurationSchema = bridgeSchema.extend({
  static: z
    .record(stationSchema, staticSchema, mapping)
    .default({})
    .describe('Static addresses, and the port of each, or its port and remote'),
});

export const configurationSchema = z.strictObject(
  {
    workers: z
      .union([integer(1, limits.workers), z.array(workerSchema).min(1).max(limits.workers)], {
        error: `must be a number of workers from 1 to ${limits.workers}, or a list of as many`,
      })
      .default(1),
    polling: polling.default('adaptive'),
    placement: oneOf(['spread', 'auto']).default('spread').describe('Who polls which queue'),
    bridges: z.record(name, bridgeConfigurationSchema, mapping).default({}),
    ports: z.record(name, portSchema, mapping).default({}),
    mirrors: z.record(name, mirrorSchema, mapping).default({}),
  },
  mapping,
) satisfies z.ZodType<unknown, SwitchOptions>;

/** A bridge's complete options. */
export type Bridge = z.output<typeof bridgeSchema>;

export type ConfiguredBridge = z.output<typeof bridgeConfigurationSchema>;

/** A bridge that only a port names. */
export function defaultBridge(): ConfiguredBridge {
  return bridgeConfigurationSchema.parse({});
}
