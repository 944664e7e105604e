/** The CNI plugin under what runtimes do at their worst: many at once, many times over, and deaths at any step. */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Namespace } from '../devices/support.js';
import { endAll, run, until } from '../interop/processes.js';
import { CniHost, type CniResult, lacksCni, nothing, pathOf, plugins } from './cni-support.js';

const why = lacksCni();
const real = `${plugins}/host-local`;

afterEach(endAll);

describe.skipIf(why !== undefined)(
  `memswitch-cni endures${why === undefined ? '' : `: ${why}`}`,
  () => {
    test.each([{}, { driver: 'veth' }])(
      '100 at once (%o), and the garbage collector takes what no runtime knows',
      {
        timeout: 120_000,
      },
      async (form) => {
        const host = await CniHost.start();
        const pod = new Namespace();
        const conf = host.conf(form);
        const containers = Array.from({ length: 100 }, (_, i) => `crowd-${i}`);
        const callOf = (container: string) => ({
          container,
          netns: pathOf(pod),
          interface: `n${container.slice(6)}`,
        });
        const answers = await Promise.all(
          containers.map((container) => host.plugin('ADD', conf, callOf(container))),
        );
        expect(answers.filter(({ status }) => status !== 0)).toEqual([]);
        const addresses = answers.map(({ json }) => (json as unknown as CniResult).ips[0]?.address);
        expect(new Set(addresses).size).toBe(100);
        expect((await host.ports()).length).toBe(100);
        const valid = [{ containerID: 'crowd-7', ifname: 'n7' }];
        const gc = await host.plugin('GC', {
          ...conf,
          cniVersion: '1.1.0',
          'cni.dev/valid-attachments': valid,
        });
        expect(gc).toEqual({ status: 0, json: {}, stderr: '' });
        const left = await host.left();
        expect([left.leases?.length, left.hostEnds?.length]).toEqual([1, 'driver' in form ? 1 : 0]);
        expect((await host.plugin('CHECK', conf, callOf('crowd-7'))).status).toBe(0);
        expect((await host.plugin('DEL', conf, callOf('crowd-7'))).status).toBe(0);
        expect(await host.left()).toEqual(nothing);
      },
    );

    const cycles = Number(process.env.MEMSWITCH_CNI_CYCLES ?? 20);
    test(`${cycles} times there and away leave nothing`, {
      timeout: 60_000 + 2_000 * cycles,
    }, async () => {
      const host = await CniHost.start();
      const pod = new Namespace();
      const files = () => run('ls', `/proc/${host.daemon.pid}/fd`).split('\n').length;
      /** So many of all kinds, one after the other, of a container of its own. */
      const lane = async (name: string, times: number) => {
        const call = { container: `cycle-${name}`, netns: pathOf(pod), interface: name };
        for (let i = 0; i < times; ++i) {
          const conf = host.conf([{}, { kind: 'kernel' }, { driver: 'veth' }][i % 3]);
          expect((await host.plugin('ADD', conf, call)).status).toBe(0);
          expect((await host.plugin('DEL', conf, call)).status).toBe(0);
        }
      };
      const lanes = ['a', 'b', 'c', 'd'].map((name) => `lane-${name}`);
      await Promise.all(lanes.map((name) => lane(name, 3)));
      const before = files();
      await Promise.all(lanes.map((name) => lane(name, cycles / lanes.length)));
      expect(await host.left()).toEqual(nothing);
      expect(pod.exec('ip', '-br', 'link')).not.toMatch(/lane|msw/);
      await until('no descriptor more than before', () => files() <= before);
    });

    /** Host-local behind a script, in a folder of its own. */
    function scripted(host: CniHost, script: string): string {
      const bin = join(host.home, 'scripted');
      mkdirSync(bin);
      writeFileSync(join(bin, 'host-local'), `#!/bin/sh\n${script}\nexit 0\n`);
      chmodSync(join(bin, 'host-local'), 0o755);
      return bin;
    }

    /** Takes its time for ADD, and leaves a file when it has begun. */
    function slow(host: CniHost, seconds: number): { path: string; begun: string } {
      const begun = join(host.home, 'begun');
      const wait = `[ "$CNI_COMMAND" = ADD ] && touch ${begun} && sleep ${seconds}`;
      return { path: scripted(host, `${wait}; exec ${real}`), begun };
    }

    test('DEL of an attachment whose ADD still runs waits for it', async () => {
      const host = await CniHost.start();
      const pod = new Namespace();
      const conf = host.conf({ kind: 'kernel' });
      const { path, begun } = slow(host, 1);
      const call = { container: 'hasty', netns: pathOf(pod), path };
      const add = host.plugin('ADD', conf, call);
      await until('the address is asked for', () => existsSync(begun));
      expect((await host.plugin('DEL', conf, call)).status).toBe(0);
      expect((await add).status).toBe(0);
      expect(await host.left()).toEqual(nothing);
      expect(pod.exec('ip', '-br', 'link')).not.toContain('net1');
    });

    test('a switch that ends in the middle of a call waits for nobody, and the call may be repeated', async () => {
      const host = await CniHost.start();
      const pod = new Namespace();
      const conf = host.conf({ kind: 'kernel' });
      const { path, begun } = slow(host, 3);
      const call = { container: 'early', netns: pathOf(pod), path };
      const add = host.plugin('ADD', conf, call);
      await until('the address is asked for', () => existsSync(begun));
      expect(await host.daemon.end('SIGTERM')).toBe(0);
      const { status, json } = await add;
      expect([status, json.code]).toEqual([1, 11]);
      await host.run();
      expect((await host.plugin('DEL', conf, { ...call, path: plugins })).status).toBe(0);
      expect(await host.left()).toEqual(nothing);
    });

    describe('a death at any step', () => {
      /** An IPAM plugin that ends its caller at a moment of ADD. */
      function deadly(host: CniHost, moment: string): string {
        // Nobody gives an address after the death of the one who asked 'before' it: the script ends too.
        const kill = '[ "$CNI_COMMAND" = ADD ] && kill -9 $PPID && exit';
        return scripted(host, moment === 'before' ? `${kill}; exec ${real}` : `${real}; ${kill}`);
      }

      test.each([
        ['before', 'tap'],
        ['after', 'tap'],
        ['after', 'veth'],
      ])('of the plugin, %s the address was given (%s)', async (moment, driver) => {
        const host = await CniHost.start();
        const pod = new Namespace();
        const conf = host.conf({ kind: 'kernel', driver });
        const call = { container: 'victim', netns: pathOf(pod), path: deadly(host, moment) };
        expect((await host.plugin('ADD', conf, call)).status).toBeNull();
        const left = await host.left();
        expect(left.attachments).toHaveLength(1);
        expect(left.leases).toHaveLength(moment === 'after' ? 1 : 0);
        await host.restart('SIGKILL');
        const check = await host.plugin('CHECK', conf, call);
        expect([check.status, check.json.code]).toEqual([1, 3]);
        // The attempt is repeated, or its remains are collected.
        expect((await host.plugin('GC', { ...conf, cniVersion: '1.1.0' })).status).toBe(0);
        expect(await host.left()).toEqual(nothing);
        expect((await host.plugin('ADD', conf, { ...call, path: plugins })).status).toBe(0);
        expect((await host.plugin('DEL', conf, { ...call, path: plugins })).status).toBe(0);
        expect(await host.left()).toEqual(nothing);
      });

      test.each(['tap', 'veth'])(
        'of the switch, and of the namespace meanwhile (%s)',
        async (driver) => {
          const host = await CniHost.start();
          const pod = new Namespace();
          const conf = host.conf({ driver });
          const call = { container: 'orphan', netns: pathOf(pod) };
          expect((await host.plugin('ADD', conf, call)).status).toBe(0);
          await host.daemon.end('SIGKILL');
          const dead = await host.plugin('DEL', conf, call);
          expect([dead.status, dead.json.code]).toEqual([1, 11]);
          pod.end();
          await host.run();
          expect(await host.get('/v1/attachments')).toMatchObject([{ state: 'failed' }]);
          expect((await host.plugin('DEL', conf, call)).status).toBe(0);
          expect(await host.left()).toEqual(nothing);
        },
      );

      test.each(['tap', 'veth'])(
        'of the namespace alone: its port goes without a word from anybody (%s)',
        async (driver) => {
          const host = await CniHost.start();
          const pod = new Namespace();
          const call = { container: 'lonely', netns: pathOf(pod) };
          const conf = host.conf({ driver });
          expect((await host.plugin('ADD', conf, call)).status).toBe(0);
          pod.end();
          await until('the port is gone', async () => (await host.ports()).length === 0);
          expect(await host.get('/v1/attachments')).toMatchObject([{ state: 'failed' }]);
          expect((await host.plugin('DEL', conf, call)).status).toBe(0);
          expect(await host.left()).toEqual(nothing);
        },
      );

      test('of the switch, while it makes pairs: the garbage collector finds all of them', async () => {
        const host = await CniHost.start();
        const pod = new Namespace();
        const conf = host.conf({ driver: 'veth' });
        const callOf = (i: number) => ({
          container: `cut-${i}`,
          netns: pathOf(pod),
          interface: `n${i}`,
        });
        const adds = Array.from({ length: 30 }, (_, i) => host.plugin('ADD', conf, callOf(i)));
        await until('some are made', async () => (await host.left()).hostEnds?.length !== 0);
        await host.restart('SIGKILL');
        await Promise.all(adds);
        expect((await host.left()).hostEnds).not.toEqual([]);
        expect((await host.plugin('GC', { ...conf, cniVersion: '1.1.0' })).status).toBe(0);
        expect(await host.left()).toEqual(nothing);
        expect(pod.exec('ip', '-br', 'link')).not.toMatch(/^n\d/m);
      });

      test('a damaged record stops nobody', async () => {
        const host = await CniHost.start();
        const pod = new Namespace();
        const call = { container: 'fine', netns: pathOf(pod) };
        expect((await host.plugin('ADD', host.conf(), call)).status).toBe(0);
        writeFileSync(join(`${host.api}.state`, 'attachments', 'cni-x.json'), '{ "half');
        await host.restart('SIGTERM');
        expect((await host.plugin('CHECK', host.conf(), call)).status).toBe(0);
        expect(host.daemon.output).toMatch(/cni-x.json is damaged/);
      });
    });
  },
);
