/** A virtual machine's network card, without the machine: DPDK's net_virtio_user is the guest of a net_vhost port. */
import { join } from 'node:path';
import { Switch } from 'memswitch';
import { afterEach, describe, expect, test } from 'vitest';
import { missing, testpmd } from '../interop/peers.js';
import { endAll } from '../interop/processes.js';
import { folder, until } from '../switch/support.js';
import { lacksDpdk, lacksRoot, Namespace } from './support.js';

const why = lacksDpdk() ?? lacksRoot() ?? missing();

afterEach(endAll);

describe.skipIf(why !== undefined)(`vhost${why === undefined ? '' : `: ${why}`}`, () => {
  test('a guest attaches, answers ping, and leaves', { timeout: 60_000 }, async () => {
    const host = new Namespace();
    const socket = join(folder(), 'vm.sock');
    await using sw = await Switch.start({
      ports: {
        host: { kind: 'kernel', bridge: 'blue', interface: 'eth0', netns: host.name },
        vm: { kind: 'ethdev', bridge: 'blue', devargs: `net_vhost_vm,iface=${socket}` },
      },
    });
    host.address('eth0', '10.78.0.1');
    expect(sw.port('vm').link).toBe('down');
    const guest = testpmd({
      cpu: 1,
      mode: 'icmpecho',
      vdevs: [`net_virtio_user0,path=${socket},mac=02:00:00:00:00:99`],
    });
    await until('the guest is there', () => sw.port('vm').link === 'up');
    expect(host.ping('10.78.0.9', 200, '-w', '20')).toBe(200);
    expect(sw.macs({ port: 'vm' }).macs.map(({ mac }) => mac)).toEqual(['02:00:00:00:00:99']);
    await guest.end();
    await until('the guest has gone', () => sw.port('vm').link === 'down');
  });
});
