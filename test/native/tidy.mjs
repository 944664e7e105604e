/**
 * Runs clang-tidy with .clang-tidy over the native half, with the flags by which binding.gyp compiles it. Prints what it finds.
 *
 *   npm run lint:tidy
 *
 * Its time goes into headers: file by file 3 to 5 s each, ten minutes for all. So the sources of a target are included by one
 * file that is made here, and their headers are parsed once: 90 s of CPU for all, on two busy processors. Where names of two
 * files clash in it, it is halved, which costs time and misses nothing.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dpdkModule, inParallel, ownFlags, readGyp, root, run } from './gyp.mjs';

const folder = join(root, '.cache', 'tidy');
// GCC's names of warnings are not all clang's, and the compilers warn already. That .cc files are included is meant.
const options = ['--quiet', `--config-file=${join(root, '.clang-tidy')}`];
const checks = '--checks=-bugprone-suspicious-include';

/** Of large targets, what makes a group of its own: there is work for two processors then, and names clash less. */
const apart = { core: 'native/control/', native_test: '/vxlan/' };

/** Each source once, with those of the same target; the largest groups first. */
function groups() {
  const { targets, flags } = readGyp();
  const { sources: ofDevices = [], flags: withDevices = [] } = dpdkModule();
  const all = [
    ...targets.map((target) => {
      const own = target.target_name === 'device_test' ? withDevices : [];
      return [target.target_name, target.sources ?? [], [...ownFlags(target), ...own]];
    }),
    ['devices', ofDevices, withDevices],
    ['fuzz', ['test/fuzz/driver.cc'], ['-DFUZZ_TARGET=ring']],
  ];
  const found = new Map();
  const seen = new Set();
  for (const [target, sources, own] of all) {
    for (const source of sources.filter((path) => path.endsWith('.cc') && !seen.has(path))) {
      seen.add(source);
      const name = source.includes(apart[target]) ? `${target}-apart` : target;
      const group = found.get(name) ?? { name, sources: [], flags: [...flags, ...own, '-w'] };
      group.sources.push(source);
      found.set(name, group);
    }
  }
  return [...found.values()].sort((a, b) => b.sources.length - a.sources.length);
}

/** <linux/if.h> leaves out what <net/if.h> has defined, but not the other way round. */
const first = '#include <net/if.h>\n';

/** What clang-tidy says of these sources, as lines. */
async function check({ name, sources, flags }) {
  const file = join(folder, `${name}.cc`);
  writeFileSync(file, first + sources.map((source) => `#include "${source}"\n`).join(''));
  const output = await run('clang-tidy-14', [...options, checks, file, '--', ...flags]).then(
    () => '',
    (error) => error.message,
  );
  if (output.includes('[clang-diagnostic-error') && sources.length > 1) {
    const middle = Math.ceil(sources.length / 2);
    const halves = [sources.slice(0, middle), sources.slice(middle)];
    const found = [];
    for (const [n, half] of halves.entries()) {
      found.push(...(await check({ name: `${name}-${n}`, sources: half, flags })));
    }
    return found;
  }
  return output
    .split('\n')
    .slice(1)
    .filter((line) => !/warnings? (generated|treated)/.test(line))
    .map((line) => line.replace(`${root}/`, ''));
}

mkdirSync(folder, { recursive: true });
await inParallel(groups(), async (group) => {
  for (const line of await check(group)) {
    process.exitCode = 1;
    process.stdout.write(`${line}\n`);
  }
});
