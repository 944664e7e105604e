/** Policies of ports: in the configuration, live, by the command, under the traffic of load clients. */
import { join } from 'node:path';
import { parseConfiguration, Switch, type SwitchError, type SwitchOptions } from 'memswitch';
import { describe, expect, test } from 'vitest';
import { begin, daemon, folder, loadPair, memswitch, until } from './support.js';

const [one, two] = ['02:00:00:00:00:01', '02:00:00:00:00:02'];

function mistakes(options: SwitchOptions): string[] {
  try {
    parseConfiguration(JSON.stringify(options));
  } catch (error) {
    return ((error as SwitchError).mistakes ?? []).map(
      ({ path, message }) => `${path}: ${message}`,
    );
  }
  return [];
}

const web = (policy: object) =>
  ({ ports: { web: { kind: 'memif', bridge: 'blue', socket: '@x', ...policy } } }) as SwitchOptions;

test('a policy is checked, each mistake with its path', () => {
  const cases: [policy: object, mistake: string][] = [
    [{ isolated: 'yes' }, 'ports.web.isolated: must be true or false, got "yes"'],
    [{ antiSpoof: {} }, 'ports.web.antiSpoof: must list macs, ips or both, got {}'],
    [
      { antiSpoof: { macs: ['01:00:00:00:00:01'] } },
      'ports.web.antiSpoof.macs[0]: must be the address of one station, such as 02:00:00:00:00:01, got "01:00:00:00:00:01"',
    ],
    [
      { antiSpoof: { ips: ['10.0.0.1', '10.0.0.0/33'] } },
      'ports.web.antiSpoof.ips[1]: must be an IP address, or a prefix such as 192.0.2.0/24 or fe80::/10, got "10.0.0.0/33"',
    ],
    [
      { antiSpoof: { macs: [one], ip: ['10.0.0.1'] } },
      'ports.web.antiSpoof.ip: is not known, did you mean "ips"?',
    ],
    [{ rateLimit: {} }, 'ports.web.rateLimit: must have rx, tx or both, got {}'],
    [
      { rateLimit: { rx: { burst: 5 } } },
      'ports.web.rateLimit.rx: must have frames, bits or both, got {"burst":5}',
    ],
    [
      { rateLimit: { tx: { bits: '1 Gbit' } } },
      'ports.web.rateLimit.tx.bits: must be a number from 1 to 10^12 a second, or text such as 10k, 2.5M or 1G, got "1 Gbit"',
    ],
    [
      { rateLimit: { tx: { bits: 0 } } },
      'ports.web.rateLimit.tx.bits: must be a number from 1 to 10^12 a second, or text such as 10k, 2.5M or 1G, got 0',
    ],
    [
      { rateLimit: { tx: { frames: 5, burst: 0 } } },
      'ports.web.rateLimit.tx.burst: must be an integer from 1 to 10000, got 0',
    ],
    [{ storm: {} }, 'ports.web.storm: must have broadcast, multicast or unknown, got {}'],
    [
      { storm: { unknown: 1, broadcasts: 5 } },
      'ports.web.storm.broadcasts: is not known, did you mean "broadcast"?',
    ],
  ];
  for (const [policy, mistake] of cases) {
    expect(mistakes(web(policy))).toEqual([mistake]);
  }
});

const inVlans = (policy: object) => ({
  bridges: { blue: { vlans: true } },
  ...web(policy),
});

test('VLANs are checked, each mistake with its path', () => {
  const range = 'must be a VLAN from 1 to 4094, or a range such as 200-299';
  const cases: [options: SwitchOptions, mistake: string][] = [
    [
      web({ access: 100 }),
      'ports.web.access: must not be given in bridge "blue", which has no VLANs (vlans: true)',
    ],
    [
      web({ trunk: [5] }),
      'ports.web.trunk: must not be given in bridge "blue", which has no VLANs (vlans: true)',
    ],
    [inVlans({ access: 0 }), 'ports.web.access: must be an integer from 1 to 4094, got 0'],
    [inVlans({ access: 4095 }), 'ports.web.access: must be an integer from 1 to 4094, got 4095'],
    [
      inVlans({ access: 5, trunk: [6] }),
      'ports.web.access: must not be given with trunk: a port is one of both',
    ],
    [inVlans({ native: 5 }), 'ports.web.native: must not be given without trunk'],
    [
      inVlans({ trunk: [] }),
      'ports.web.trunk: must be a list of VLANs and ranges, such as [100, 200-299], got []',
    ],
    [inVlans({ trunk: [100, '299-200'] }), `ports.web.trunk[1]: ${range}, got "299-200"`],
    [inVlans({ trunk: ['1-4095'] }), `ports.web.trunk[0]: ${range}, got "1-4095"`],
    [inVlans({ trunk: ['all'] }), `ports.web.trunk[0]: ${range}, got "all"`],
  ];
  for (const [options, mistake] of cases) {
    expect(mistakes(options)).toEqual([mistake]);
  }
  expect(mistakes(inVlans({ trunk: [100, '200-299'], native: 1 }))).toEqual([]);
  expect(mistakes(inVlans({}))).toEqual([]);
});

test('VLANs of ports and addresses are shown, and change', async () => {
  await using sw = await Switch.start(inVlans({ access: 100 }));
  expect(sw.bridge('blue').vlans).toBe(true);
  expect(sw.port('web')).toMatchObject({ access: 100, trunk: null, native: null });
  await sw.addStaticMac('blue', one, 'web');
  await sw.setPort('web', { trunk: [100, '200-299'] });
  expect(sw.port('web')).toMatchObject({ access: null, trunk: [100, '200-299'], native: null });
  await sw.addStaticMac('blue', `${one}/250`, 'web');
  await expect(sw.addStaticMac('blue', `${one}/300`, 'web')).rejects.toThrow(
    'the port does not carry that VLAN',
  );
  await expect(sw.addStaticMac('blue', one, 'web')).rejects.toThrow('name one');
  await expect(sw.addStaticMac('blue', `${one}/4095`, 'web')).rejects.toThrow(/must be a MAC/);
  expect(sw.macs({ mac: one }).macs).toMatchObject([
    { mac: one, vlan: 100, port: 'web', kind: 'static' },
    { mac: one, vlan: 250, port: 'web', kind: 'static' },
  ]);
  expect(sw.macs({ mac: `${one}/250` }).total).toBe(1);
  await sw.removeMac('blue', `${one}/250`);
  expect(sw.macs().macs.map(({ vlan }) => vlan)).toEqual([100]);
  await sw.setPort('web', { access: 7 });
  expect(sw.port('web')).toMatchObject({ access: 7, trunk: null });
  await sw.addBridge('flat');
  await expect(sw.setPort('web', { bridge: 'flat' })).rejects.toMatchObject({
    path: 'ports.web.access',
  });
  await sw.setPort('web', { bridge: 'flat', access: null });
  await expect(sw.setBridge('blue', { vlans: false })).rejects.toThrow('vlans is fixed');
});

test('a policy is shown as it was given, with numbers for amounts', async () => {
  await using sw = await Switch.start(
    web({
      isolated: true,
      antiSpoof: { macs: [one], ips: ['10.0.0.1', 'fe80::/10'] },
      rateLimit: { rx: { frames: '10k', bits: '2.5M', burst: 50 }, tx: { bits: '1G' } },
      storm: { broadcast: 100 },
    }),
  );
  expect(sw.port('web')).toMatchObject({
    isolated: true,
    antiSpoof: { macs: [one], ips: ['10.0.0.1', 'fe80::/10'] },
    rateLimit: {
      rx: { frames: 10_000, bits: 2_500_000, burst: 50 },
      tx: { bits: 1_000_000_000, burst: 100 },
    },
    storm: { broadcast: 100 },
  });
  await sw.setPort('web', { rateLimit: null, storm: { unknown: 5 } });
  expect(sw.port('web')).toMatchObject({
    isolated: true,
    antiSpoof: { macs: [one] },
    rateLimit: null,
    storm: { unknown: 5 },
  });
  await expect(sw.setPort('web', { storm: { unknown: -1 } })).rejects.toThrow(
    /^ports.web.storm.unknown: must be a number/,
  );
});

describe('under traffic', () => {
  const cases: [reason: string, policy: object, none: object][] = [
    ['isolated', { isolated: true }, { isolated: false }],
    ['spoofed_mac', { antiSpoof: { macs: [two] } }, { antiSpoof: null }],
    ['rx_rate_limit', { rateLimit: { rx: { frames: 5, burst: 1 } } }, { rateLimit: null }],
    ['tx_rate_limit', { rateLimit: { tx: { bits: 512, burst: 1 } } }, { rateLimit: null }],
  ];

  test.each(cases)(
    '%s takes hold of a live port, and lets go again',
    async (reason, ...changes) => {
      const path = folder();
      const [left, right] = [join(path, 'left.sock'), join(path, 'right.sock')];
      await using sw = await Switch.start({
        ports: {
          left: { kind: 'memif', bridge: 'blue', socket: left },
          right: { kind: 'memif', bridge: 'blue', socket: right, isolated: true },
        },
      });
      const sent = () => sw.status().tx.frames;
      const flow = async () => {
        const loads = loadPair(left, right);
        await until('both are attached', () => sw.ports().every(({ link }) => link === 'up'));
        begin(...loads);
        const before = sent();
        await until('frames flow', () => sent() > before + 10_000n);
        return loads;
      };
      const loads = await flow();
      // At either: each load waits for the other's frames, and isolation holds both ways.
      const dropped = () => sw.ports().reduce((sum, { drops }) => sum + (drops[reason] ?? 0n), 0n);
      expect(dropped()).toBe(0n);
      const [policy = {}, none = {}] = changes;
      await sw.setPort('left', policy);
      await until('frames are dropped', () => dropped() > 50n);
      for (const load of loads) {
        load.kill('SIGKILL');
      }
      await until('both are gone', () => sw.ports().every(({ link }) => link === 'down'));
      await sw.setPort('left', none);
      await flow();
    },
  );
});

test('the command sets policies as a configuration has them', async () => {
  const path = folder();
  const env = { MEMSWITCH_API: join(path, 'api.sock') };
  await daemon([], env.MEMSWITCH_API);
  const add = ['add', 'port', 'web', '--kind', 'memif', '--bridge', 'blue'];
  const options = ['--isolated', 'true', '--rate-limit', '{ rx: { bits: 1M } }'];
  const added = await memswitch([...add, '--socket', join(path, 'web.sock'), ...options], env);
  expect(added).toMatchObject({ status: 0, stderr: '' });
  const set = ['set', 'port', 'web', '--storm', '{ broadcast: 100 }', '--isolated', 'false'];
  expect(await memswitch(set, env)).toMatchObject({ status: 0, stderr: '' });
  const shown = await memswitch(['show', 'ports', 'web'], env);
  expect(shown.stdout).toMatch(/^isolated +false$/m);
  expect(shown.stdout).toMatch(/^storm +\{ broadcast: 100 \}$/m);
  expect(shown.stdout).toMatch(/^rateLimit +\{ rx: \{ bits: 1000000, burst: 100 \} \}$/m);
  await memswitch(['set', 'port', 'web', '--rate-limit', 'null'], env);
  const json = await memswitch(['show', 'ports', 'web', '--json'], env);
  expect(JSON.parse(json.stdout)).toMatchObject({ rateLimit: null, storm: { broadcast: 100 } });
  const wrong = await memswitch(['set', 'port', 'web', '--storm', '{ broad: 1 }'], env);
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toContain('ports.web.storm.broad: is not known');
});
