/** Tunnels by the library: made, shown, changed and refused. Frames through them: test/ports/vxlan, test/interop. */
import { Switch } from 'memswitch';
import { expect, test } from 'vitest';
import { Metrics } from '../../switch/metrics/index.js';
import { parseMetrics } from './prometheus.js';

/** A port that no other run has. */
const port = 30_000 + (process.pid % 10_000);
const end = { kind: 'vxlan', bridge: 'blue', local: '127.0.0.1', port } as const;

test('a tunnel and its remotes: added, shown, removed', async () => {
  await using sw = await Switch.start({
    ports: { wan: { ...end, vni: 7, remotes: ['127.0.0.2'] } },
  });
  expect(sw.port('wan')).toMatchObject({ kind: 'vxlan', link: 'up', peer: null });
  expect(sw.tunnel('wan')).toMatchObject({
    port: 'wan',
    bridge: 'blue',
    vni: 7,
    local: '127.0.0.1',
    udpPort: port,
    underlay: 'kernel',
    remotes: [
      { address: '127.0.0.2', kind: 'configured', state: 'up', heard: null, macs: 0, drops: 0n },
    ],
  });
  const [remote] = sw.tunnel('wan').remotes;
  expect(remote?.innerMtu).toBe((remote?.mtu ?? 0) - 50);
  const labels = { port: 'wan', remote: '127.0.0.2' };
  const metrics = parseMetrics((await new Metrics(sw).text()).toString());
  for (const [name, value] of [
    ['up', 1],
    ...['rx_frames', 'rx_bytes', 'tx_frames', 'tx_bytes', 'dropped_frames'].map(
      (counted) => [`${counted}_total`, 0] as const,
    ),
  ] as const) {
    expect(metrics.get(`memswitch_tunnel_${name}`)?.samples).toMatchObject([{ labels, value }]);
  }
  await sw.addRemote('wan', '127.0.0.3');
  expect(sw.tunnels()[0]?.remotes.map(({ address }) => address)).toEqual([
    '127.0.0.2',
    '127.0.0.3',
  ]);
  expect(sw.port('wan').options.remotes).toBe('127.0.0.2, 127.0.0.3');
  await sw.addStaticMac('blue', '02:00:00:00:00:09', 'wan', '127.0.0.3');
  expect(sw.macs().macs).toMatchObject([{ port: 'wan', kind: 'static', remote: '127.0.0.3' }]);
  expect(sw.macs({ mac: '02:00:00:00:00:09' }).macs).toMatchObject([{ remote: '127.0.0.3' }]);
  await sw.removeRemote('wan', '127.0.0.3');
  expect(sw.macs().macs).toMatchObject([{ port: 'wan', kind: 'static', remote: null }]);
  await sw.removePort('wan');
  expect(sw.tunnels()).toEqual([]);
  await sw.addPort('wan', { ...end, vni: 7 });
});

test('what cannot be is refused in words', async () => {
  await using sw = await Switch.start({
    ports: { wan: { ...end, vni: 7 }, web: { kind: 'memif', bridge: 'blue', socket: '@msw-t' } },
  });
  await expect(sw.addPort('twin', { ...end, vni: 7 })).rejects.toThrow(/same VNI 7 at 127.0.0.1/);
  await expect(sw.addPort('other', { ...end, vni: 8, ttl: 3 })).rejects.toThrow(/must agree/);
  await expect(sw.addPort('far', { ...end, vni: 8, local: '192.0.2.99' })).rejects.toThrow(
    /does not have that address/,
  );
  await expect(sw.addRemote('web', '127.0.0.2')).rejects.toThrow(/not a tunnel/);
  await expect(sw.addRemote('wan', 'nowhere')).rejects.toThrow(/remote: must be the IP address/);
  await expect(sw.addRemote('wan', '2001:db8::1')).rejects.toThrow(/same family/);
  await expect(sw.addRemote('wan', '127.0.0.1')).rejects.toThrow(/local address/);
  await expect(sw.removeRemote('wan', '127.0.0.2')).rejects.toThrow(/not a remote/);
  await expect(sw.addStaticMac('blue', '02:00:00:00:00:09', 'wan', '127.0.0.2')).rejects.toThrow(
    /not a remote/,
  );
  expect(sw.ports().map(({ name }) => name)).toEqual(['wan', 'web']);
});

test('static addresses behind remotes in the configuration, applied as a difference', async () => {
  const mac = '02:00:00:00:00:0a';
  const at = (remote?: string) => ({
    bridges: { blue: { static: { [mac]: { port: 'wan', ...(remote && { remote }) } } } },
    ports: { wan: { ...end, vni: 7, remotes: ['127.0.0.2', '127.0.0.3'] } },
  });
  await using sw = await Switch.start(at('127.0.0.2'));
  const behind = () => sw.macs({ mac }).macs.map(({ port, kind, remote }) => [port, kind, remote]);
  expect(behind()).toEqual([['wan', 'static', '127.0.0.2']]);
  expect(await sw.apply(at('127.0.0.2'))).toEqual([]);
  const changes = await sw.apply(at('127.0.0.3'));
  expect(changes).toMatchObject([
    { action: 'change', what: 'static', details: ['at port wan, remote 127.0.0.3'] },
  ]);
  expect(behind()).toEqual([['wan', 'static', '127.0.0.3']]);
  expect(await sw.apply(at())).toMatchObject([
    { action: 'change', what: 'static', details: ['at port wan'] },
  ]);
  expect(behind()).toEqual([['wan', 'static', null]]);
  expect(await sw.apply(at())).toEqual([]);
  await expect(sw.apply(at('127.0.0.4'))).rejects.toThrow(
    /bridges.blue.static.02:00:00:00:00:0a.remote: must be one of the remotes of port "wan"/,
  );
});

test('one address written in two ways is one remote', async () => {
  const wan = { ...end, vni: 7, local: '::1', remotes: '2001:DB8:0:0::2' };
  await using sw = await Switch.start({ ports: { wan } });
  expect(sw.tunnel('wan').remotes.map(({ address }) => address)).toEqual(['2001:db8::2']);
  await expect(sw.addRemote('wan', '2001:db8:0::0:2')).rejects.toThrow(
    /remote of the tunnel already/,
  );
  await sw.removeRemote('wan', '2001:db8:0::0:2');
  expect(sw.port('wan').options.remotes).toBe('');
});
