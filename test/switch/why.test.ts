/** Explanations, held to what then happens to such a frame; and the live screen in a real terminal. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemifClient, Switch } from 'memswitch';
import { describe, expect, onTestFinished, test } from 'vitest';
import { begin, command, daemon, folder, loadPair, memif, memswitch, until } from './support.js';

const names = ['a', 'b', 'c'];

async function trio() {
  const path = folder();
  const ports = Object.fromEntries(names.map((name) => [name, memif(join(path, name))]));
  const sw = await Switch.start({ ports });
  onTestFinished(() => sw.close());
  const clients = await Promise.all(
    names.map((name) => MemifClient.connect({ socket: join(path, name) })),
  );
  onTestFinished(() => {
    for (const client of clients) {
      client.close();
    }
  });
  return { sw, clients };
}

const hex = (to: string, from: string, bytes = 60) => `${to}${from}88b5`.padEnd(bytes * 2, '0');
const [one, two, nobody] = ['020000000001', '020000000002', '020000000009'];

/** Of the steps that tell where it ends. */
function last(steps: { says: string }[]): string {
  return steps.at(-1)?.says ?? '';
}

describe('why', () => {
  test.each([
    ['unknown: flooded', hex(nobody, one), 'flooded', ['b', 'c'], /leaves by port c/],
    ['broadcast: flooded', hex('ffffffffffff', one), 'flooded', ['b', 'c'], /leaves by port c/],
    ['known: forwarded', hex(two, one), 'forwarded', ['b'], /leaves by port b/],
    ['to itself: same_port', hex(one, one), 'dropped', [], /^dropped, same_port: The destination/],
    ['reserved', hex('0180c2000002', one), 'dropped', [], /^dropped, reserved: /],
    ['bad_source', hex(two, 'ffffffffffff'), 'dropped', [], /^dropped, bad_source: /],
    ['runt', '0200', 'dropped', [], /^dropped, runt: /],
    ['oversize', hex(two, one, 65_535), 'forwarded', ['b'], /leaves by port b/],
  ])('%s, and so it happens', async (_, frame, outcome, to, end) => {
    const { sw, clients } = await trio();
    await clients[1]?.sendAll([Buffer.from(hex(one, two), 'hex')]);
    await until('b is known', () => sw.bridge('blue').macs === 1);
    const before = sw.ports();
    const [explained] = sw.why({ frame, port: 'a' });
    expect(explained).toMatchObject({ port: 'a', outcome, to, length: frame.length / 2 });
    expect(last(explained?.steps ?? [])).toMatch(end);
    expect(sw.ports().map(({ rx, tx, drops }) => [rx, tx, drops])).toEqual(
      before.map(({ rx, tx, drops }) => [rx, tx, drops]),
    );
    if (frame.length / 2 < 14) {
      return; // a client sends no runts
    }
    await clients[0]?.sendAll([Buffer.from(frame, 'hex')]);
    await until('it has ended', () => sw.port('a').rx.frames === 1n);
    const left = () =>
      names.filter((name, at) => sw.port(name).tx.frames > (before[at]?.tx.frames ?? 0n));
    await until('it has left', () => left().length === to.length);
    expect(left()).toEqual(to);
    const drops = Object.entries(sw.port('a').drops).filter(([, frames]) => frames > 0n);
    expect(drops.map(([reason]) => reason)).toEqual(
      to.length > 0 ? [] : [end.source.split(/[ :]/)[1]],
    );
  });

  test('knows MTUs, links, moves, mirrors; and answers for an address alone', async () => {
    const { sw, clients } = await trio();
    await clients[1]?.sendAll([Buffer.from(hex(one, two), 'hex')]);
    await until('b is known', () => sw.bridge('blue').macs === 1);
    await sw.setPort('b', { mtu: 100 });
    expect(last(sw.why({ frame: hex(two, one, 200), port: 'a' })[0]?.steps ?? [])).toMatch(
      /^at port b dropped, too_long: /,
    );
    const [moved] = sw.why({ frame: hex(one, two), port: 'a' });
    expect(moved?.steps[1]?.says).toBe('02:00:00:00:00:02 moves here from behind b');
    clients[1]?.close();
    await until('b is down', () => sw.port('b').link === 'down');
    const [to] = sw.why({ mac: '02:00:00:00:00:02' });
    expect(to).toMatchObject({ outcome: 'dropped', to: [] });
    expect(last(to?.steps ?? [])).toMatch(/^at port b dropped, link_down: /);
    await sw.addMirror('tap', { from: ['a'], to: 'c' });
    expect(last(sw.why({ frame: hex(two, one), port: 'c' })[0]?.steps ?? [])).toMatch(
      /^dropped, mirror_port: /,
    );
    for (const wrong of [{}, { frame: 'xy', port: 'a' }, { frame: '00' }, { mac: 'me' }]) {
      expect(() => sw.why(wrong)).toThrow(/why/);
    }
  });
});

/** A terminal of its own, with a program in it. */
class Terminal {
  readonly #socket = `memswitch-test-${process.pid}`;

  constructor(...words: string[]) {
    this.#tmux('new-session', '-d', '-x', '100', '-y', '20', words.join(' '));
    this.#tmux('set-option', '-g', 'remain-on-exit', 'on');
    onTestFinished(() => {
      spawnSync('tmux', ['-L', this.#socket, 'kill-server']);
    });
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-L', this.#socket, ...args], { encoding: 'utf8' });
  }

  press(key: string): void {
    this.#tmux('send-keys', key);
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
  }

  shows(): string {
    return this.#tmux('capture-pane', '-p');
  }
}

test('top shows rates, sorts, follows the size of its terminal, and puts it back', async () => {
  const path = folder();
  const api = join(path, 'api.sock');
  const config = join(path, 'config.json');
  const ports = { web: memif(join(path, 'web')), db: memif(join(path, 'db')) };
  writeFileSync(config, JSON.stringify({ ports }));
  await daemon(['--config', config], api);
  begin(...loadPair(join(path, 'web'), join(path, 'db')));
  const top = [process.execPath, command, 'top', '--api', api, '--interval', '0.2'];
  const terminal = new Terminal(
    'sh',
    '-c',
    `'stty -a | grep -o ".icanon"; ${top.join(' ')}; stty -a | grep -o ".icanon"; echo over; sleep 60'`,
  );
  await until('rates', () => /^web +up +[\d.]+ [kM]/m.test(terminal.shows()));
  expect(terminal.shows()).toMatch(/worker 0 .* %/);
  expect(terminal.shows()).toMatch(/^db .*\n(.*\n)*web /m);
  terminal.resize(40, 8);
  await until('narrower', () =>
    terminal
      .shows()
      .split('\n')
      .every((line) => line.length <= 40),
  );
  expect(terminal.shows()).toMatch(/^memswitch top/);
  terminal.press('d');
  terminal.press('q');
  await until('the end', () => terminal.shows().includes('over'));
  expect(terminal.shows()).not.toContain('memswitch top');
  const pipe = await memswitch(['top'], { MEMSWITCH_API: api });
  expect([pipe.status, pipe.stderr]).toEqual([2, expect.stringMatching(/needs a terminal/)]);
});
