/**
 * The folder rules of the design, read off the sources. Each rule is a function of a file's text that returns what breaks
 * it; a rule is also shown to find a breach, so that it cannot pass because it looks at nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Rule {
  name: string;
  /** Folders it holds for. */
  folders: string[];
  /** Files in them that it does not hold for. */
  except?: string[];
  breaches(text: string): string[];
  /** Lines that must be found to break it, and lines that must not. */
  bad: string[];
  good: string[];
}

const rules: Rule[] = [
  {
    name: 'only native/binding knows Node',
    folders: [
      'native/dataplane',
      'native/memif',
      'native/tables',
      'native/vxlan',
      'native/ports',
      'native/control',
      'native/attach',
      'native/cni',
    ],
    breaches: (text) => includes(text).filter((path) => /^(napi|node_api|node|uv|v8)\b/.test(path)),
    bad: ['#include <napi.h>', '#include "napi.h"', '#  include <node_api.h>', '#include <uv.h>'],
    good: ['// #include <napi.h>', '#include "tables/bridge.h"'],
  },
  {
    name: 'dataplane, memif, tables and vxlan know nothing of control and binding',
    folders: ['native/dataplane', 'native/memif', 'native/tables', 'native/vxlan'],
    breaches: (text) => includes(text).filter((path) => /(^|\/)(control|binding)\//.test(path)),
    bad: ['#include "control/switch.h"', '#include "../binding/convert.h"'],
    good: ['#include "memif/ring.h"', '/* #include "control/switch.h" */'],
  },
  {
    name: 'nothing on the poll path allocates, locks, logs or throws',
    folders: ['native/dataplane', 'native/vxlan'],
    breaches: (text) =>
      code(text).match(
        /\b(new|malloc|calloc|realloc|free|make_unique|make_shared|mutex|lock_guard|unique_lock|scoped_lock|condition_variable|f?printf|cout|cerr|clog|syslog|throw|push_back|emplace_back|resize)\b|\b(std::)?(string|to_string)\b(?=\s*[({])/g,
      ) ?? [],
    bad: [
      'auto* entry = new Entry;',
      'void* memory = malloc(64);',
      'std::lock_guard guard(lock);',
      'printf("frame");',
      'throw std::runtime_error("x");',
      'frames.push_back(frame);',
      "int most = 1'000; free(frame); most = 2'000;",
    ],
    good: [
      '// a new frame',
      'const char* text = "new";',
      "int most = 1'000; free_frames = 2'000;",
      'int renew = 0;',
      '#include <new>',
    ],
  },
  {
    name: 'only switch/native.ts loads the addon',
    folders: ['switch', 'ports', 'test', 'bench'],
    except: ['switch/native.ts', 'switch/setup.mjs', 'test/boundaries.test.ts'],
    breaches: (text) =>
      text.match(/memswitch\.node|process\.dlopen|node-gyp-build|bindings\(/g) ?? [],
    bad: ["require('../build/Release/memswitch.node')", 'process.dlopen(module, path)'],
    good: ["import { native } from './native.js';"],
  },
  {
    name: 'ports know of the switch only the native limits',
    folders: ['ports'],
    breaches: (text) => imports(text).filter((path) => /\/switch\/(?!native\.js$)/.test(path)),
    bad: ["import { Switch } from '../switch/switch.js';"],
    good: ["import { native } from '../switch/native.js';", "import { z } from 'zod';"],
  },
  {
    name: 'the library knows nothing of its API and command',
    folders: ['switch'],
    except: filesBelow('switch').filter((path) => /^switch\/(api|cli|reference)\//.test(path)),
    breaches: (text) => imports(text).filter((path) => /\/(api|cli)\//.test(path)),
    bad: ["import { serveApi } from './api/server.js';"],
    good: ["import { Switch } from './switch.js';"],
  },
];

describe.each(rules)('$name', ({ folders, except = [], breaches, bad, good }) => {
  test.each(bad)('is broken by: %s', (line) => {
    expect(breaches(line)).not.toEqual([]);
  });

  test.each(good)('is kept by: %s', (line) => {
    expect(breaches(line)).toEqual([]);
  });

  test.each(folders)('holds in %s', (folder) => {
    const files = filesBelow(folder).filter((path) => !except.includes(path));
    const broken = files.flatMap((path) =>
      breaches(readFileSync(join(root, path), 'utf8')).map((what) => `${path}: ${what}`),
    );
    expect(broken).toEqual([]);
  });
});

test('the rules are looked for in files that exist', () => {
  for (const folder of ['native/dataplane', 'native/memif', 'native/tables', 'switch', 'ports']) {
    expect(filesBelow(folder), folder).not.toEqual([]);
  }
});

test('every kind of port has its two halves, under one name; some are made of ethdev', () => {
  const halves = filesBelow('ports')
    .filter((path) => readFileSync(join(root, path), 'utf8').includes('satisfies PortKind<'))
    .map((path) => path.replace(/^ports\/(kernel|vf)\.ts$/, 'ports/ethdev.ts'))
    .map((path) => path.replace(/^ports\/(.*)\.ts$/, 'native/ports/$1.cc'));
  expect(halves).not.toEqual([]);
  expect(filesBelow('native/ports')).toEqual(expect.arrayContaining(halves));
});

function filesBelow(folder: string): string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(cc|h|ts|mts|mjs|js|cjs)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** C++ without comments, and without preprocessor lines and the insides of literals. */
function code(text: string): string {
  return withoutComments(text)
    .replaceAll(/^\s*#.*$/gm, '')
    .replaceAll(/"(\\.|[^"\\\n])*"|(?<!\w)'(\\.|[^'\\\n])*'/g, '""');
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}

function includes(text: string): string[] {
  const lines = withoutComments(text).matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm);
  return [...lines].map(([, path = '']) => path);
}

function imports(text: string): string[] {
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, path = '']) => path);
}
