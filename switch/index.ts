/**
 * memswitch: a shared-memory userspace packet switch.
 *
 * Start with {@link Switch.start}; a configuration file is read with {@link readConfiguration}.
 */

export type { EthdevOptions } from '../ports/ethdev.js';
export type { KernelOptions } from '../ports/kernel.js';
export type { MemifOptions } from '../ports/memif.js';
export type { TapOptions } from '../ports/tap.js';
export type { VethOptions } from '../ports/veth.js';
export type { VfOptions } from '../ports/vf.js';
export type { VxlanOptions } from '../ports/vxlan.js';
export {
  MemifClient,
  type MemifClientOptions,
  type MemifClientStatistics,
} from './attach/memif-client.js';
export { Responder, type ResponderOptions } from './attach/responder.js';
export type { BridgeStatus } from './bridges.js';
export type { CaptureOptions, CaptureStatus } from './captures.js';
export type { Configuration } from './config/check.js';
export { checkConfiguration } from './config/check.js';
export type { Change } from './config/difference.js';
export type {
  BridgeConfiguration,
  BridgeOptions,
  Polling,
  PortOptions,
  StaticPlace,
  SwitchOptions,
  WorkerOptions,
} from './config/options.js';
export { parseConfiguration, readConfiguration } from './config/parse.js';
export type { PortCounters, Traffic, WorkerCounters } from './counters.js';
export { burstBounds, totalDrops } from './counters.js';
export { doctor, type Finding } from './doctor.js';
export type { ErrorCode, Mistake } from './errors.js';
export { SwitchError } from './errors.js';
export type { SwitchEvent } from './events.js';
export type { Explanation, Question, Step } from './explain.js';
export type { MacEntry, MacFilter, MacList } from './macs.js';
export type { MirrorOptions, MirrorStatus } from './mirrors.js';
export type { Device, Peer, PortChanges, PortStatus } from './ports.js';
export type {
  PortRates,
  Rates,
  Sample,
  Statistics,
  TrafficRate,
  WorkerRates,
} from './statistics.js';
export type { Drop, QueueStatus, SwitchStatus, WorkerStatus } from './status.js';
export { version } from './status.js';
export { type ApplyOptions, Switch } from './switch.js';
export type { RemoteStatus, TunnelStatus } from './tunnels.js';
