/** `memswitch attach`: programs that know the kernel only, over a memif socket, with real ping and TCP. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Switch } from 'memswitch';
import { afterEach, describe, expect, test } from 'vitest';
import { lacksRoot, Namespace } from '../devices/support.js';
import { endAll, Program, run } from '../interop/processes.js';
import { folder, memif, memswitch, root, until } from '../switch/support.js';

const why = lacksRoot();
const program = join(root, 'build/Release/memswitch-attach');
const [here, there] = ['10.80.0.1', '10.80.0.2'];

afterEach(endAll);

describe.skipIf(why !== undefined)(`attach${why === undefined ? '' : `: ${why}`}`, () => {
  test('two containers talk, through a restart of the switch, and go without a trace', async () => {
    const [left, right] = [new Namespace(), new Namespace()];
    const home = folder();
    const ports = {
      left: {
        kind: 'memif' as const,
        bridge: 'blue',
        socket: join(home, 'left.sock'),
        secret: 's3cret',
      },
      right: memif(join(home, 'right.sock')),
    };
    const file = join(home, 'left.env');
    writeFileSync(
      file,
      `MEMIF_SOCKET=left.sock\nMEMIF_SECRET=s3cret\nMEMIF_INTERFACE=net1\nMEMIF_IP=${here}/24\n`,
    );
    const first = await Switch.start({ ports });
    const one = new Program('ip', ['netns', 'exec', left.name, program, file]);
    const two = new Program(process.execPath, [
      join(root, 'dist/switch/cli/main.js'),
      ...['attach', join(home, 'right.sock'), '--netns', right.name, '--mtu', '9000'],
      ...[
        '--mac',
        '02:00:00:00:80:02',
        '--ip',
        `${there}/24,fd00::2/64`,
        '--route',
        `10.81.0.0/16 ${here}`,
      ],
    ]);
    await until('both up', () => first.ports().every(({ link }) => link === 'up'));
    expect(right.exec('ip', 'address', 'show', 'memif0')).toMatch(
      /mtu 9000(.|\n)*02:00:00:00:80:02(.|\n)*10\.80\.0\.2\/24/,
    );
    expect(right.exec('ip', 'route')).toContain(`10.81.0.0/16 via ${here}`);
    await until('carrier', () => right.exec('ip', 'link', 'show', 'memif0').includes('LOWER_UP'));
    expect(left.ping(there, 1000)).toBe(1000);
    expect(await left.tcp(right, there)).toBeGreaterThan(0);
    await first.close();
    await until('no carrier', () => left.exec('ip', 'link', 'show', 'net1').includes('NO-CARRIER'));
    await using second = await Switch.start({ ports });
    await until('both up again', () => second.ports().every(({ link }) => link === 'up'));
    await until('carrier', () => left.exec('ip', 'link', 'show', 'net1').includes('LOWER_UP'));
    expect(left.ping(there, 100)).toBe(100);
    expect([await one.end('SIGTERM'), await two.end('SIGINT')]).toEqual([0, 0]);
    expect(one.output).toMatch(/frames to the switch, \d+ from it, 0 dropped/);
    expect(left.exec('ip', '-br', 'link')).not.toContain('net1');
    await until('down', () => second.ports().every(({ link }) => link === 'down'));
  });

  test('an interface that is deleted ends it, in words', async () => {
    const left = new Namespace();
    const one = new Program(program, [join(folder(), 'x.sock'), '--netns', left.name]);
    await until('ready', () => one.output.includes('memswitch attach ready'));
    run('ip', '-n', left.name, 'link', 'del', 'memif0');
    expect((await one.finished()).status).toBe(1);
    expect(one.output).toContain('memif0 was deleted');
  });

  test.each([
    [['x'], 2, /x: must be a socket/],
    [['/x', '--mtu', '1'], 2, /--mtu: wrong value: 1/],
    [['/x', '--secret', 'x'.repeat(30)], 2, /--secret: wrong value: \(a secret\)/],
    [['/x', '--ip', '10.0.0.1'], 2, /--ip: wrong value/],
    [['/x', '/y'], 2, /name one socket/],
    [['/x', '--interface', 'lo'], 1, /no TAP/],
    [['/x', '--netns', 'nowhere'], 1, /enter network namespace nowhere/],
  ])('refuses %j', async (args, status, words) => {
    const end = await memswitch(['attach', ...args]);
    expect(end.stderr).toMatch(words);
    expect(end.status).toBe(status);
  });
});
