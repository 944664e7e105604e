/**
 * Builds native programs with checkers in them, beside node-gyp's build and without touching it. Sources and flags come
 * from binding.gyp, which stays the one list of them; what is up to date is not compiled again.
 *
 *   node test/native/build.mjs address|thread|plain      native_test under ASan and UBSan, under TSan, under nothing
 *   node test/native/build.mjs fuzz TARGET               a libFuzzer program (test/fuzz)
 *
 * Prints the path of the program.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inParallel, ownFlags, readGyp, root, run } from './gyp.mjs';

const checked = ['-g', '-fno-omit-frame-pointer', '-fno-sanitize-recover=all'];

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
    link: ['-fsanitize=fuzzer,address,undefined'],
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

/** Whether the folder's content was made by another recipe; then it is emptied. */
function isStale(folder, recipe) {
  const file = join(folder, 'recipe.json');
  const text = JSON.stringify(recipe);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) {
    return false;
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, text);
  return true;
}

async function compile({ compiler, flags, sources, folder }) {
  isStale(folder, [compiler, flags]);
  const object = (source) => join(folder, `${source.replaceAll('/', '_')}.o`);
  const stale = sources.filter((source) => !isFresh(object(source)));
  await inParallel(stale, (source) => {
    const dependencies = ['-MMD', '-MF', object(source).replace(/o$/, 'd')];
    return run(compiler, [...flags, ...dependencies, '-c', source, '-o', object(source)]);
  });
  return sources.map(object);
}

async function link({ compiler, flags, objects, folder, name }) {
  const program = join(folder, name);
  const stale = isStale(folder, [compiler, flags, objects]) || !existsSync(program);
  if (stale || objects.some((object) => modified(object) > modified(program))) {
    await run(compiler, [...flags, ...objects, '-pthread', '-o', program]);
  }
  return program;
}

/** `fuzzTarget` only for the variant `fuzz`. Returns the path of the program. */
export async function build(variant, fuzzTarget) {
  const { compiler, flags, link: linkFlags = flags } = variants[variant];
  const gyp = readGyp();
  const [core, test] = [gyp.target('core'), gyp.target('native_test')];
  const folder = join(root, '.cache', 'native', variant);
  const name = fuzzTarget ?? 'native_test';
  const library = await compile({
    compiler,
    flags: [...gyp.flags, ...flags, ...ownFlags(core)],
    sources: core.sources,
    folder: join(folder, 'core'),
  });
  const define = fuzzTarget ? [`-DFUZZ_TARGET=${fuzzTarget}`] : ownFlags(test);
  const own = await compile({
    compiler,
    flags: [...gyp.flags, ...flags, ...define],
    sources: fuzzTarget ? ['test/fuzz/driver.cc', `test/fuzz/${fuzzTarget}.cc`] : test.sources,
    folder: join(folder, `${name}.objects`),
  });
  const objects = [...own, ...library];
  return link({ compiler, flags: linkFlags, objects, folder: join(folder, name), name });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [variant, fuzzTarget] = process.argv.slice(2);
  if (!variants[variant] || (variant === 'fuzz') !== (fuzzTarget !== undefined)) {
    process.stderr.write('usage: node test/native/build.mjs plain|address|thread|fuzz TARGET\n');
    process.exit(2);
  }
  try {
    process.stdout.write(`${await build(variant, fuzzTarget)}\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
