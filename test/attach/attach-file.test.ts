/** The file beside a container's socket, as TypeScript writes and reads it; its reader in C++ has a fuzz target (test/fuzz). */
import { randomBytes, randomInt } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { attachFileText, readAttachFile } from '../../switch/attach/attach-file.js';
import { folder, root } from '../switch/support.js';

test('what is written is read', () => {
  const path = join(folder(), 'net1.env');
  const file = {
    socket: '/run/memif/net1.sock',
    id: 7,
    secret: 's3cret',
    interface: 'net1',
    mac: '02:00:00:00:00:07',
    mtu: 9000,
    addresses: ['192.0.2.7/24', 'fd00::7/64'],
    routes: ['0.0.0.0/0 192.0.2.1', '198.51.100.0/24'],
  };
  writeFileSync(path, attachFileText(file));
  expect(readAttachFile(path)).toEqual(file);
  writeFileSync(path, attachFileText({ socket: 'net1.sock' }));
  expect(readAttachFile(path)).toEqual({ socket: path.replace('.env', '.sock') });
});

test('whatever it holds is read, or refused in words', () => {
  const home = folder();
  const corpus = join(root, 'test/fuzz/corpus/attach_file');
  const known = readdirSync(corpus).map((name) => readFileSync(join(corpus, name)));
  const path = join(home, 'net1.env');
  let refused = 0;
  for (let i = 0; i < 3000; ++i) {
    const text = Buffer.from(known[i % known.length] as Buffer);
    randomBytes(randomInt(4)).copy(text, randomInt(text.length));
    writeFileSync(path, i % 7 ? text : randomBytes(randomInt(200)));
    try {
      expect(readAttachFile(path).socket).toMatch(/^[/@]/);
    } catch (error) {
      expect(error).toMatchObject({
        code: 'INVALID',
        message: expect.stringMatching(/net1\.env: /),
      });
      ++refused;
    }
  }
  expect(refused).toBeGreaterThan(0);
});
