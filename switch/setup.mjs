/**
 * Makes the working copy ready to run: system packages, npm packages, the native build, the TypeScript
 * build. It runs before anything is installed, so it is plain JavaScript and imports nothing but Node. When
 * nothing is to be done it says nothing and costs one pass of stat calls.
 *
 *   node switch/setup.mjs            what `npm start` needs
 *   node switch/setup.mjs --test     also what the tests need
 *   node switch/setup.mjs --bench    also the switches that `npm run bench` compares with
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const log = join(root, 'setup.log');
const nodeMajor = 20;

/** Programs that the native build calls, and the package of each. */
const buildPrograms = {
  'g++': 'g++',
  make: 'make',
  python3: 'python3',
  'pkg-config': 'pkg-config',
};

/** Libraries that it takes from headers alone, and the package of each. */
const buildHeaders = { 'nlohmann/json.hpp': 'nlohmann-json3-dev' };

/** What the tests run against: real peers, and the checkers of native code. */
const testPackages = [
  'curl',
  'openssl',
  'dpdk',
  'dpdk-dev',
  'libdpdk-dev',
  'iproute2',
  'iputils-ping',
  'iperf3',
  'ethtool',
  'tcpdump',
  'tshark',
  'tmux',
  'openvswitch-switch',
  'containernetworking-plugins',
  'golang-go',
  'golang-github-appc-cni-dev',
  'docker.io',
  'iptables',
  'podman',
  'runc',
  'busybox-static',
  'git',
  'procps',
  'systemd',
  'valgrind',
  'clang-format-14',
  'clang-tidy-14',
  'clang-14',
  'libclang-rt-14-dev',
  'busybox-static',
  'cpio',
  'kmod',
];

/** Switches that only the bench harness meets, beside those of the tests. */
const benchPackages = ['dpdk-dev', 'openvswitch-switch-dpdk', 'iproute2'];

const addon = 'build/Release/memswitch.node';
const nativeOutputs = [
  addon,
  ...['load', 'memswitch-attach', 'memswitch-cni'].map((name) => `build/Release/${name}`),
];
const devices = 'build/Release/memswitch_dpdk.so';
const compiled = 'dist/switch/index.js';

let steps = 0;

class SetupError extends Error {}

async function setup({ forTests, forBench }) {
  if (Number(process.versions.node.split('.')[0]) < nodeMajor) {
    throw new SetupError(
      `Node ${nodeMajor} or newer is needed, this is ${process.versions.node} (${process.execPath})`,
    );
  }
  if (forTests) {
    await installPackages(missingPackages(testPackages), 'the tests');
    await prepareLab();
  }
  if (forBench) {
    await offerPackages(missingPackages(benchPackages), 'comparing with its peers');
  }
  if (npmPackagesDiffer()) {
    await step('npm packages', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  }
  if (nativeBuildIsStale()) {
    await installPackages(missingBuildPackages(), 'the native build');
    await buildNative();
  }
  if (
    newest(['switch', 'ports', 'bench', 'tsconfig.json', 'tsconfig.build.json']) >
    modified(compiled)
  ) {
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    await step('TypeScript build', nodeTool('typescript/bin/tsc'), ['-p', 'tsconfig.build.json']);
  }
}

/** Compares the lock with what npm wrote down of its last installation: times lie after a checkout. */
function npmPackagesDiffer() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) {
    return true;
  }
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const found = JSON.parse(readFileSync(installed, 'utf8')).packages;
  return Object.entries(wanted).some(
    ([path, entry]) => path !== '' && !entry.optional && found[path]?.integrity !== entry.integrity,
  );
}

function nativeBuildIsStale() {
  const isSource = (name) => /\.(cc|h)$/.test(name);
  const sources = Math.max(newest(['native', 'binding.gyp']), newest(['bench', 'test'], isSource));
  return (
    nativeOutputs.some((output) => !existsSync(join(root, output))) ||
    lacksDevices() ||
    sources > Math.max(...nativeOutputs.map(modified))
  );
}

/** DPDK has come since the build. */
function lacksDevices() {
  if (existsSync(join(root, devices))) {
    return false;
  }
  return spawnSync('pkg-config', ['--exists', 'libdpdk']).status === 0;
}

async function buildNative() {
  const headers = join(dirname(dirname(process.execPath)), 'include', 'node', 'node.h');
  const nodedir = existsSync(headers) && process.env.npm_config_nodedir === undefined;
  const args = ['rebuild', '-j', 'max'];
  if (nodedir) {
    args.push(`--nodedir=${dirname(dirname(dirname(headers)))}`);
  }
  try {
    await step('native build', nodeTool('node-gyp/bin/node-gyp.js'), args);
  } catch (error) {
    // A build that failed half-way must not look fresh to the next run.
    rmSync(join(root, addon), { force: true });
    throw error;
  }
}

function missingBuildPackages() {
  const lacks =
    (folders) =>
    ([file]) =>
      !folders.some((folder) => existsSync(join(folder, file)));
  const programs = Object.entries(buildPrograms).filter(
    lacks(process.env.PATH?.split(delimiter) ?? []),
  );
  const includes = ['/usr/include', '/usr/local/include'];
  const headers = Object.entries(buildHeaders).filter(lacks(includes));
  return [...programs, ...headers].map(([, name]) => name);
}

function missingPackages(names) {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholders are dpkg-query's.
  const format = '${Package} ${db:Status-Status}\n';
  const query = spawnSync('dpkg-query', ['-W', '-f', format, ...names], { encoding: 'utf8' });
  const installed = new Set((query.stdout ?? '').split('\n'));
  return names.filter((name) => !installed.has(`${name} installed`));
}

async function installPackages(names, purpose) {
  if (names.length === 0) {
    return;
  }
  const command = `apt-get install -y --no-install-recommends ${names.join(' ')}`;
  const apt = spawnSync('apt-get', ['--version']).status === 0;
  if (!apt || process.getuid() !== 0) {
    const how = apt ? `run: sudo ${command}` : `install them (on Debian: ${command})`;
    throw new SetupError(`${purpose} needs packages that are not installed; ${how}`);
  }
  await step('apt update', 'apt-get', ['update']);
  const [program, ...args] = command.split(' ');
  await step(`apt: ${names.join(' ')}`, program, args);
}

/** Like installPackages, for what one can do without: the harness says what it left out. */
async function offerPackages(names, purpose) {
  try {
    await installPackages(names, purpose);
  } catch (error) {
    process.stderr.write(`setup: ${error.message}\n`);
  }
}

/** What the virtual machine of test/sriov is made of, once a user. */
async function prepareLab() {
  const cache = join(
    process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'),
    'memswitch/sriov-lab',
  );
  if (!['kernel', 'qemu'].every((part) => existsSync(join(cache, part)))) {
    const lab = join(root, 'test/sriov/lab');
    await step('kernel and QEMU for a virtual machine', lab, ['--prepare']);
  }
}

/** Runs one step: a line with its duration on the terminal, everything it prints in the log. */
async function step(title, program, args) {
  const [command, ...rest] = [program, args].flat(2);
  const started = performance.now();
  process.stderr.write(`setup: ${title} … `);
  const { status, output } = await run(command, rest);
  writeFileSync(log, `$ ${command} ${rest.join(' ')}\n${output}\n`, { flag: steps++ ? 'a' : 'w' });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stderr.write(status === 0 ? `${seconds} s\n` : `failed after ${seconds} s\n`);
  if (status !== 0) {
    throw new SetupError(`${output.trimEnd()}\nsetup: ${title} failed; all output: ${log}`);
  }
}

function run(command, args) {
  return new Promise((resolve) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    child.on('error', (error) => resolve({ status: 1, output: error.message }));
    child.on('close', (status) => resolve({ status, output }));
  });
}

function nodeTool(path) {
  return [process.execPath, join(root, 'node_modules', path)];
}

function modified(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Latest change below the paths. Folders count when all files do, so that a removed file is noticed. */
function newest(paths, accept) {
  let latest = 0;
  for (const path of paths) {
    const entry = statSync(join(root, path), { throwIfNoEntry: false });
    if (entry?.isDirectory()) {
      const children = readdirSync(join(root, path)).map((name) => join(path, name));
      latest = Math.max(latest, accept ? 0 : entry.mtimeMs, newest(children, accept));
    } else if (entry && (!accept || accept(path))) {
      latest = Math.max(latest, entry.mtimeMs);
    }
  }
  return latest;
}

try {
  const asked = (option) => process.argv.includes(option);
  await setup({ forTests: asked('--test'), forBench: asked('--bench') });
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
