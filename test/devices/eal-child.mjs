/** Runs where DPDK cannot start: what is said of a device, and whether memif ports go on (ethdev.test.ts). */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Switch } from '../../dist/switch/index.js';

const socket = join(mkdtempSync(join(tmpdir(), 'memswitch-eal-')), 'memif.sock');
const sw = await Switch.start({ ports: { server: { kind: 'memif', bridge: 'a', socket } } });
const { message: refused, code } = await sw
  .addPort('device', { kind: 'ethdev', bridge: 'a', devargs: 'net_null0' })
  .catch((error) => error);
await sw.addPort('client', { kind: 'memif', bridge: 'b', socket, role: 'client' });
while (sw.ports().some(({ link }) => link === 'down')) {
  await delay(20);
}
console.log(JSON.stringify({ refused, code, links: sw.ports().map(({ link }) => link) }));
await sw.close();
