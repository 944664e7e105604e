/** The committed figures hold: no frame costs more than 3 % more instructions than bench/instructions.json says. */
import { expect, test } from 'vitest';
import { committed, complaints, count, tools } from '../../bench/instructions.js';

const before = committed();
const sameTools = before.tools === tools();

test.skipIf(!sameTools)(
  `no frame costs more than is committed${sameTools ? '' : ` (committed with ${before.tools}, this is ${tools()})`}`,
  { timeout: 300_000 },
  async () => {
    const now = await count((name, figure) => console.log(`${name}: ${figure}`));
    expect(complaints(before, now)).toEqual([]);
  },
);

test('what is worse, new or gone is told with its numbers', () => {
  const now = {
    tools: 'a',
    figures: { same: 100, better: 50, worse: 103.1, within: 102.9, new: 1 },
  };
  const then = {
    tools: 'a',
    figures: { same: 100, better: 100, worse: 100, within: 100, gone: 1 },
  };
  expect(complaints(then, now)).toEqual([
    'worse: 103.1 instructions a frame, 100 committed: 3.1 % worse',
    'gone: not counted any more',
    'new: not committed',
  ]);
});
