/** `npm run reference`: writes the files under docs/ that are made of the code. */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { referenceFiles } from './files.js';

const root = dirname(createRequire(import.meta.url).resolve('memswitch/package.json'));
for (const [name, text] of Object.entries(referenceFiles())) {
  writeFileSync(join(root, 'docs', name), text);
}
