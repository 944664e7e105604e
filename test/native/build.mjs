/**
 * Builds native programs with checkers in them, beside node-gyp's build and without touching it. Sources and flags come
 * from binding.gyp, which stays the one list of them; what is up to date is not compiled again.
 *
 *   node test/native/build.mjs address|thread|plain      native_test under ASan and UBSan, under TSan, under nothing
 *   node test/native/build.mjs address|… device_test     the tests of devices, where DPDK is installed
 *   node test/native/build.mjs fuzz TARGET               a libFuzzer program (test/fuzz)
 *
 * Prints the path of the program.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dpdkModule, inParallel, ownFlags, readGyp, root, run } from './gyp.mjs';

/** Lines for the reports, no more: all of -g takes half as long again to compile. */
const checked = ['-g1', '-fno-omit-frame-pointer', '-fno-sanitize-recover=all'];

/** How each variant is compiled, beyond the flags of binding.gyp. */
const variants = {
  plain: { compiler: 'g++', flags: ['-O2'] },
  address: {
    compiler: 'g++',
    flags: ['-O1', '-fsanitize=address,undefined', '-fno-sanitize=vptr', ...checked],
  },
  thread: { compiler: 'g++', flags: ['-O1', '-fsanitize=thread', ...checked] },
  fuzz: {
    compiler: 'clang++-14',
    flags: ['-O1', '-fsanitize=fuzzer-no-link,address,undefined', ...checked],
    // clang-14 calls libatomic for a std::atomic<std::optional<…>> of two bytes, which gcc loads by itself.
    link: ['-fsanitize=fuzzer,address,undefined', '-latomic'],
  },
};

const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;

/** The compiler wrote down what the object was made of; it is fresh if nothing of that is newer. */
function isFresh(object) {
  const list = object.replace(/o$/, 'd');
  if (!existsSync(object) || !existsSync(list)) {
    return false;
  }
  const parts = readFileSync(list, 'utf8').replaceAll('\\\n', ' ').split(': ')[1] ?? '';
  const newest = Math.max(
    ...parts
      .trim()
      .split(/\s+/)
      .map((path) => modified(join(root, path))),
  );
  return newest < modified(object);
}

/** Whether something was made by another recipe than this, which is noted. */
function isStale(file, recipe) {
  const text = JSON.stringify(recipe);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) {
    return false;
  }
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return true;
}

async function compile({ compiler, flags, sources, folder }) {
  if (isStale(`${folder}.json`, [compiler, flags])) {
    rmSync(folder, { recursive: true, force: true });
  }
  mkdirSync(folder, { recursive: true });
  const object = (source) => join(folder, `${source.replaceAll('/', '_')}.o`);
  const stale = sources.filter((source) => !isFresh(object(source)));
  await inParallel(stale, (source) => {
    const dependencies = ['-MMD', '-MF', object(source).replace(/o$/, 'd')];
    return run(compiler, [...flags, ...dependencies, '-c', source, '-o', object(source)]);
  });
  return sources.map(object);
}

async function link({ compiler, flags, objects, libraries = [], folder, name }) {
  const program = join(folder, name);
  mkdirSync(folder, { recursive: true });
  const stale = isStale(`${program}.json`, [compiler, flags, objects, libraries]);
  if (
    stale ||
    !existsSync(program) ||
    objects.some((object) => modified(object) > modified(program))
  ) {
    await run(compiler, [...flags, ...objects, ...libraries, '-pthread', '-o', program]);
  }
  return program;
}

/** `program`: native_test, device_test, or for the variant `fuzz` a target in test/fuzz. Returns its path. */
export async function build(variant, program = 'native_test') {
  const { compiler, flags, link: linkFlags = flags } = variants[variant];
  const gyp = readGyp();
  const core = gyp.target('core');
  const folder = join(root, '.cache', 'native', variant);
  const withDevices = program === 'device_test' ? dpdkModule() : { flags: [], libraries: [] };
  const common = [...gyp.flags, ...flags];
  const library = await compile({
    compiler,
    flags: [...common, ...ownFlags(core)],
    sources: core.sources,
    folder: join(folder, 'core'),
  });
  const target = gyp.target(program);
  const own = await compile({
    compiler,
    flags: target
      ? [...common, ...withDevices.flags, ...ownFlags(target)]
      : [...common, `-DFUZZ_TARGET=${program}`],
    sources: target?.sources ?? ['test/fuzz/driver.cc', `test/fuzz/${program}.cc`],
    folder: join(folder, `${program}.objects`),
  });
  const place = { compiler, libraries: withDevices.libraries, folder: join(folder, program) };
  if (withDevices.sources) {
    // Beside the program, which looks for it there (native/control/dpdk.cc).
    const module = await compile({
      compiler,
      flags: [...common, '-fPIC', ...withDevices.flags],
      sources: withDevices.sources,
      folder: join(folder, `${program}.module`),
    });
    const shared = [...linkFlags, '-shared'];
    await link({ ...place, flags: shared, objects: module, name: 'memswitch_dpdk.so' });
  }
  return link({ ...place, flags: linkFlags, objects: [...own, ...library], name: program });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [variant, program] = process.argv.slice(2);
  if (!variants[variant] || (variant === 'fuzz' && program === undefined)) {
    process.stderr.write(
      'usage: node test/native/build.mjs plain|address|thread [device_test]\n' +
        '       node test/native/build.mjs fuzz TARGET\n',
    );
    process.exit(2);
  }
  try {
    process.stdout.write(`${await build(variant, program)}\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
