/**
 * Writes a file again and again until it is killed: each time another number, in front of and behind much text. Says each number
 * when it is on the disk.
 */
import { writeAtomically } from '../../dist/switch/state/atomic-file.js';

const [path, first] = process.argv.slice(2);
for (let number = Number(first); ; number++) {
  await writeAtomically(path, `${number}\n${'x'.repeat(200_000)}\n${number}`);
  process.stdout.write(`${number}\n`);
}
