/** What binding.gyp says, for programs that build or check native code without node-gyp. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** binding.gyp is Python's notation; but for comments it is JavaScript's as well. */
export function readGyp() {
  const text = readFileSync(join(root, 'binding.gyp'), 'utf8').replaceAll(/^\s*#.*$/gm, '');
  const gyp = Function(`return (${text})`)();
  const flags = gyp.target_defaults.cflags_cc.flatMap((flag) =>
    flag === '<@(strict)' ? gyp.variables.strict : flag,
  );
  const folders = gyp.target_defaults.include_dirs.map((folder) => `-I${join(root, folder)}`);
  return {
    targets: gyp.targets,
    flags: [...flags, ...folders],
    target: (name) => gyp.targets.find((candidate) => candidate.target_name === name),
  };
}

/** What memswitch_dpdk is where DPDK is installed: the commands in its lists run, as gyp would. */
export function dpdkModule() {
  const { conditions } = readGyp().target('memswitch_dpdk');
  const [[, module]] = conditions;
  const list = (entries) =>
    entries.flatMap((entry) =>
      entry.startsWith('<!@(')
        ? spawnSync('sh', ['-c', entry.slice('<!@('.length, -1)], { encoding: 'utf8' })
            .stdout.trim()
            .split(/\s+/)
            .filter((word) => word !== '')
        : [entry],
    );
  const { sources, cflags_cc: flags, libraries } = module;
  return { sources, flags: list(flags), libraries: list(libraries) };
}

/** The flags of a target beside the common ones, with node-gyp's variables filled in. */
export function ownFlags(target) {
  const flags = (target.cflags_cc ?? []).filter((flag) => flag !== '-isystem');
  const plain = flags.filter((flag) => flag.startsWith('-'));
  return plain.length === flags.length ? plain : [...plain, ...nodeHeaders()];
}

function nodeHeaders() {
  const addonApi = dirname(createRequire(import.meta.url).resolve('node-addon-api/package.json'));
  const beside = join(dirname(dirname(process.execPath)), 'include', 'node');
  const node = existsSync(beside) ? [beside] : [];
  return [addonApi, ...node].flatMap((folder) => ['-isystem', folder]);
}

/** Runs a program in the project's folder; its output, or an error with it. */
export function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    child.on('error', reject);
    child.on('close', (status) =>
      status === 0
        ? resolve(output)
        : reject(new Error(`${command} ${args.join(' ')}\n${output.trimEnd()}`)),
    );
  });
}

/** Does something for each item, as many at a time as there are processors. */
export async function inParallel(items, work) {
  const waiting = [...items];
  const next = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, next));
}
