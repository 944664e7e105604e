/** All peers, the switch itself first: results are told against it. */
import type { Peer } from '../peer.js';
import { crossing, unmoved } from './crossing.js';
import { linuxBridge } from './linux-bridge.js';
import { memswitch } from './memswitch.js';
import { ovs } from './ovs.js';
import { testpmdIo, testpmdMac } from './testpmd.js';
import { vpp } from './vpp.js';

export const peers: Peer[] = [
  memswitch,
  crossing,
  unmoved,
  testpmdIo,
  testpmdMac,
  vpp,
  ovs,
  linuxBridge,
];
