/**
 * The documents are true: every command in them is run, in order, page by page, beside a daemon; pages that are made of the code are
 * current; links lead somewhere. What is not run here stands below with its reason.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { referenceFiles } from '../switch/reference/files.js';
import { command, daemon, finished, folder, root } from './switch/support.js';

/** Commands that are not run by this test: a part of the line, and why. */
const elsewhere: [part: string, reason: string][] = [
  ['npm start', 'run by test/switch/demo.test.ts'],
  ['npm test', 'runs this test'],
  ['npm run bench', 'measures for minutes; run by test/bench'],
];

/** Pages whose commands need a machine that this test does not make, and the tests that run them there. */
const pagesElsewhere: Record<string, string> = {
  'docs/containers.md': 'containers and network namespaces: test/attach',
};

const pages = [
  'README.md',
  'bench/README.md',
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));

function textOf(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(
    ([, block = '']) => block,
  );
}

/** Without the lines that are run elsewhere. */
function commandsOf(page: string): string {
  const lines = blocks(textOf(page), 'sh').join('').split('\n');
  return lines.filter((line) => !elsewhere.some(([part]) => line.includes(part))).join('\n');
}

/** A folder with the daemon's places in it, the command, and a daemon with the ports that the pages name. */
async function sandbox() {
  const path = folder();
  for (const place of ['run/memswitch', 'var/lib', 'bin', 'work']) {
    mkdirSync(join(path, place), { recursive: true });
  }
  const memswitch = `#!/bin/sh\nexec ${process.execPath} ${command} "$@"\n`;
  writeFileSync(join(path, 'bin/memswitch'), memswitch, { mode: 0o755 });
  const inside = (text: string) =>
    text.replaceAll(/(?<![\w./])\/(run\/memswitch|var\/lib\/memswitch)/g, `${path}/$1`);
  return { path, inside, api: join(path, 'run/memswitch/api.sock') };
}

const configuration = `bridges: { blue: {} }
ports:
  web: { kind: memif, bridge: blue, socket: /run/memswitch/web.sock }
  db: { kind: memif, bridge: blue, socket: /run/memswitch/db.sock }
  tenant: { kind: memif, bridge: blue, socket: /run/memswitch/tenant.sock }
`;

describe('the commands of', () => {
  const runnable = pages.filter(
    (page) => !(page in pagesElsewhere) && commandsOf(page).trim() !== '',
  );

  test.each(runnable)('%s do what they say', { timeout: 120_000 }, async (page) => {
    const { path, inside, api } = await sandbox();
    const commands = inside(commandsOf(page).replaceAll(/^npx memswitch/gm, 'memswitch'));
    if (!commands.includes('memswitch run')) {
      writeFileSync(join(path, 'work/first.yaml'), inside(configuration));
      await daemon(['--config', join(path, 'work/first.yaml')], api);
    }
    // A daemon of the page itself is started in the background; the lines after it wait until it is ready.
    const script = commands.replaceAll(/^(memswitch run .*) &$/gm, (_, run: string) => {
      const log = join(path, `run-${run.length}.log`);
      return `${run} > ${log} 2>&1 & echo $! >> ${path}/pids\nuntil grep -q 'memswitch ready' ${log}; do kill -0 $! || { cat ${log} >&2; exit 9; }; sleep 0.05; done`;
    });
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: join(path, 'work'),
      env: { ...process.env, PATH: `${path}/bin:${process.env.PATH}`, MEMSWITCH_API: api },
    });
    onTestFinished(() => {
      const pids = existsSync(join(path, 'pids')) ? readFileSync(join(path, 'pids'), 'utf8') : '';
      for (const pid of pids.split('\n').filter((line) => line !== '')) {
        // One whose place the page let another take has ended.
        spawnSync('kill', ['-KILL', pid]);
      }
    });
    const { status, stderr } = await finished(child);
    expect({ status, stderr }, script).toMatchObject({ status: 0 });
  });

  test('other pages are run elsewhere, and the lists of those are no longer than they must be', () => {
    const all = pages.map((page) => blocks(textOf(page), 'sh').join('')).join('');
    expect(elsewhere.filter(([part]) => !all.includes(part))).toEqual([]);
    expect(Object.keys(pagesElsewhere).filter((page) => !pages.includes(page))).toEqual([]);
  });
});

test.each(Object.entries(referenceFiles()))(
  'docs/%s is current (npm run reference)',
  (name, text) => {
    expect(readFileSync(join(root, 'docs', name), 'utf8')).toBe(text);
  },
);

describe('the JSON Schema', () => {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const validate = ajv.compile(JSON.parse(referenceFiles()['memswitch.schema.json'] ?? '{}'));

  test('takes every configuration in the documents', () => {
    const examples = pages
      .flatMap((page) => blocks(textOf(page), 'yaml'))
      .flatMap((text) => [parseAllDocuments(text)].flat())
      .map((document): unknown => document.toJS())
      .filter((it): it is object => typeof it === 'object' && it !== null && 'ports' in it);
    expect(examples.length).toBeGreaterThan(2);
    for (const example of examples) {
      validate(example);
      expect(validate.errors, JSON.stringify(example)).toBeNull();
    }
  });

  test.each([
    ['an unknown key', { prots: {} }],
    ['an unknown kind', { ports: { a: { kind: 'nonsense', bridge: 'b' } } }],
    ['a number out of range', { bridges: { b: { ageing: -1 } } }],
    ['a port without a socket', { ports: { a: { kind: 'memif', bridge: 'b' } } }],
  ])('refuses %s', (_, bad) => {
    expect(validate(bad)).toBe(false);
  });
});

test('every link between the documents leads somewhere', () => {
  const broken = pages.flatMap((page) =>
    [...textOf(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map(([, target = '']) => join(dirname(page), target))
      .filter((target) => !existsSync(join(root, target)))
      .map((target) => `${page}: ${target}`),
  );
  expect(broken).toEqual([]);
});

test('the index names every guide', () => {
  const index = textOf('docs/README.md');
  const missing = readdirSync(join(root, 'docs')).filter(
    (name) => name.endsWith('.md') && name !== 'README.md' && !index.includes(`(${name})`),
  );
  expect(missing).toEqual([]);
});
