/** Shapes of what the API answers, for the OpenAPI document. The compiler holds them to the types of the library. */
import { z } from 'zod';
import { oneOf, polling } from '../../ports/checks.js';
import { kindNames } from '../../ports/index.js';
import type { BridgeStatus } from '../bridges.js';
import type { CaptureStatus } from '../captures.js';
import type { Change } from '../config/difference.js';
import type { Explanation } from '../explain.js';
import type { MacList } from '../macs.js';
import type { MirrorStatus } from '../mirrors.js';
import type { PortStatus } from '../ports.js';
import type { Drop, SwitchStatus, WorkerStatus } from '../status.js';
import type { TunnelStatus } from '../tunnels.js';

const counter = z.bigint().meta({ type: 'integer', minimum: 0 });
const count = z.int().min(0);
const traffic = z.strictObject({ frames: counter, bytes: counter });

const peer = z.strictObject({
  name: z.string(),
  pid: z.int(),
  uid: z.int(),
  queues: count,
  ringSize: count,
});

const device = z.strictObject({
  name: z.string(),
  driver: z.string(),
  mac: z.string(),
  mtu: count,
  speed: count,
  numa: z.int().min(-1),
  queues: count,
  ringSize: count,
  promiscuous: z.boolean(),
  wake: z.enum(['never', 'interrupt', 'descriptor', 'timer']),
  linkInterrupts: count,
  checksRx: z.boolean(),
  checksTx: z.boolean(),
  filtersVlans: z.boolean(),
  refusedVlans: count,
  statistics: z.record(z.string(), counter),
});

const rate = z.strictObject({ frames: count.optional(), bits: count.optional(), burst: count });

export const portStatus = z.strictObject({
  name: z.string(),
  kind: z.enum(kindNames),
  bridge: z.string(),
  link: oneOf(['up', 'down']),
  peer: peer.nullable(),
  device: device.nullable(),
  rx: traffic,
  tx: traffic,
  copies: counter,
  consumed: counter,
  moves: counter,
  learnLimited: counter,
  drops: z.record(z.string(), counter),
  macs: count,
  macLimit: count,
  mtu: count,
  access: count.nullable(),
  trunk: z.array(z.union([z.int(), z.string()])).nullable(),
  native: count.nullable(),
  isolated: z.boolean(),
  vepa: z.boolean(),
  antiSpoof: z.strictObject({ macs: z.array(z.string()), ips: z.array(z.string()) }).nullable(),
  rateLimit: z.strictObject({ rx: rate.optional(), tx: rate.optional() }).nullable(),
  storm: z
    .strictObject({
      broadcast: count.optional(),
      multicast: count.optional(),
      unknown: count.optional(),
    })
    .nullable(),
  attaches: count,
  protocolErrors: z.record(z.string(), count),
  lastError: z.string(),
  options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
}) satisfies z.ZodType<PortStatus>;

export const bridgeStatus = z.strictObject({
  name: z.string(),
  ageing: count,
  macLimit: count,
  learn: z.boolean(),
  flood: z.boolean(),
  vlans: z.boolean(),
  macs: count,
  ports: z.array(z.string()),
}) satisfies z.ZodType<BridgeStatus>;

export const macList = z.strictObject({
  total: count,
  macs: z.array(
    z.strictObject({
      bridge: z.string(),
      mac: z.string(),
      vlan: count.nullable(),
      port: z.string(),
      kind: oneOf(['learned', 'static']),
      age: count.nullable(),
      remote: z.string().nullable(),
    }),
  ),
}) satisfies z.ZodType<MacList>;

export const tunnelStatus = z.strictObject({
  port: z.string(),
  bridge: z.string(),
  vni: count,
  local: z.string(),
  udpPort: count,
  underlay: z.string(),
  remotes: z.array(
    z.strictObject({
      address: z.string(),
      kind: oneOf(['configured', 'learned']),
      state: oneOf(['up', 'unreachable']),
      mtu: count.nullable(),
      innerMtu: count.nullable(),
      heard: count.nullable(),
      macs: count,
      rx: traffic,
      tx: traffic,
      drops: counter,
    }),
  ),
}) satisfies z.ZodType<TunnelStatus>;

export const workerStatus = z.strictObject({
  worker: count,
  cpu: count.nullable(),
  polling,
  running: z.boolean(),
  node: count.nullable(),
  busy: z.number().min(0).max(1),
  framesPerBurst: z.number().min(0),
  cyclesPerFrame: z.number().min(0),
  queues: z.array(
    z.strictObject({
      port: z.string(),
      queue: count,
      frames: counter,
      load: z.number().min(0).max(1),
      byHand: z.boolean(),
    }),
  ),
  loops: counter,
  busyCycles: counter,
  idleCycles: counter,
  sleeps: counter,
  frames: counter,
  bursts: counter,
  burstSizes: z.array(z.strictObject({ frames: count, bursts: counter })),
}) satisfies z.ZodType<WorkerStatus>;

export const captureStatus = z.strictObject({
  id: count,
  ports: z.array(z.string()),
  filter: z.string(),
  snaplen: count,
  direction: oneOf(['rx', 'tx', 'both']),
  drops: z.boolean(),
  frames: counter,
  lost: counter,
}) satisfies z.ZodType<CaptureStatus>;

export const explanation = z.strictObject({
  port: z.string(),
  destination: z.string(),
  source: z.string(),
  length: count,
  outcome: oneOf(['forwarded', 'flooded', 'dropped', 'tunnels']),
  to: z.array(z.string()),
  steps: z.array(
    z.strictObject({
      says: z.string(),
      counter: z.strictObject({ port: z.string(), name: z.string(), frames: counter }).nullable(),
    }),
  ),
}) satisfies z.ZodType<Explanation>;

export const mirrorStatus = z.strictObject({
  name: z.string(),
  from: z.array(z.string()),
  direction: oneOf(['rx', 'tx', 'both']),
  to: z.string(),
  copies: traffic,
  lost: counter,
}) satisfies z.ZodType<MirrorStatus>;

export const drop = z.strictObject({
  port: z.string(),
  reason: z.string(),
  side: oneOf(['rx', 'tx']),
  frames: counter,
  help: z.string(),
}) satisfies z.ZodType<Drop>;

export const change = z.strictObject({
  action: oneOf(['add', 'change', 'replace', 'remove']),
  what: oneOf(['bridge', 'port', 'static', 'worker', 'placement', 'mirror']),
  name: z.string(),
  details: z.array(z.string()),
}) satisfies z.ZodType<Change>;

export const switchStatus = z.strictObject({
  version: z.string(),
  pid: count,
  uptime: count,
  workers: count,
  bridges: count,
  ports: count,
  rx: traffic,
  tx: traffic,
  copies: counter,
  drops: counter,
}) satisfies z.ZodType<SwitchStatus>;

export const failure = z.strictObject({
  error: z.strictObject({
    code: z.string(),
    message: z.string(),
    path: z.string().optional(),
    mistakes: z.array(z.strictObject({ path: z.string(), message: z.string() })).optional(),
  }),
});
