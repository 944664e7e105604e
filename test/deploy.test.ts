/** What deploy/ has for operators: each file is what its reader takes, and names nothing that is not there. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { daemon, folder, memswitch, root } from './switch/support.js';

const read = (name: string) => readFileSync(join(root, 'deploy', name), 'utf8');

/** The options that a command line gives to `memswitch run` are ones that it has. */
async function expectKnownOptions(line: string) {
  const { stdout } = await memswitch(['run', '--help']);
  const given = line.match(/--[a-z-]+/g) ?? [];
  expect(given).not.toEqual([]);
  for (const option of given) {
    expect(stdout).toContain(`${option} `);
  }
}

test('the unit is one that systemd takes, and its command has those options', async () => {
  const unit = read('memswitch.service');
  await expectKnownOptions(/ExecStart=.*/.exec(unit)?.[0] ?? '');
  const file = join(folder(), 'memswitch.service');
  writeFileSync(file, unit.replaceAll('/usr/bin/memswitch', process.execPath));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], {
    encoding: 'utf8',
  });
  const ours = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('memswitch'));
  expect(ours).toEqual([]);
  expect(status, stderr).toBe(0);
});

test('the dashboard shows metrics that there are', async () => {
  const home = folder();
  const api = join(home, 'api.sock');
  const config = join(home, 'memswitch.yaml');
  writeFileSync(config, read('memswitch.yaml').replaceAll('/run/memswitch', home));
  const { line } = await daemon(['--config', config], api);
  expect(line).toContain('ports=2');
  const { stdout } = await memswitch(['metrics', '--api', api]);
  const { panels } = JSON.parse(read('grafana.json')) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  expect(panels.length).toBeGreaterThan(5);
  for (const { title, targets } of panels) {
    for (const name of targets.flatMap(({ expr }) => expr.match(/memswitch_\w+/g) ?? [])) {
      const known = new RegExp(`^(${name}[{ ]|# TYPE ${name} )`, 'm');
      expect(stdout, `${title}: ${name}`).toMatch(known);
    }
  }
});

test('the manifest has what it refers to, and a configuration that is one', async () => {
  const [map, set] = parseAllDocuments(read('kubernetes.yaml')).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS();
  });
  const { initContainers, containers, volumes } = set.spec.template.spec;
  expect(set.spec.selector.matchLabels).toEqual(set.spec.template.metadata.labels);
  const mounts = [...containers, ...initContainers].flatMap(({ volumeMounts }) => volumeMounts);
  const mounted = mounts.map(({ name }: { name: string }) => name);
  const [, copied] = initContainers[0].command;
  expect(existsSync(join(root, copied.replace('/usr/lib/memswitch/', ''))), copied).toBe(true);
  expect(mounted.sort()).toEqual(volumes.map(({ name }: { name: string }) => name).sort());
  const { requests, limits } = containers[0].resources;
  expect(requests).toEqual(limits); // else there is no CPU of its own
  const home = folder();
  writeFileSync(join(home, 'memswitch.yaml'), map.data['memswitch.yaml']);
  const args = ['--config', join(home, 'memswitch.yaml')];
  expect((await daemon(args, join(home, 'api.sock'))).line).toContain('memswitch ready');
});

test('the image copies what is there, and its command has those options', async () => {
  const text = read('Dockerfile');
  await expectKnownOptions(/^CMD \["run".*/m.exec(text)?.[0] ?? '');
  for (const [, source] of text.matchAll(/^COPY (?!--from)(\S+)/gm)) {
    expect(existsSync(join(root, source ?? '')), source).toBe(true);
  }
});
