/**
 * A soak: a daemon with two pairs at full speed, of short frames and of long, and beside them all that a day brings, at once: ports
 * that come and go with their clients, configurations applied, workers added, queues moved, metrics scraped, frames captured,
 * hostile clients. Afterwards the pairs have lost nothing, and the daemon has the files, mappings and threads that it had after the
 * first fifth of the time, and needs no more memory than in the middle.
 *
 *   npm run soak -- --minutes 30
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
/**
 * Node's heap grows to its limit first and breathes then, and with it what its objects hold outside: seen in half an hour between
 * 6 and 56 MiB. So what is compared is the least of many samples, and not of the beginning; and this much more may be at the end.
 * The leak of a page an attachment would be past it in minutes.
 */
const slackKiB = 24 * 1024;
/** What is ending when all is quiet has ended by then, also on a busy machine: threads that nobody uses, sockets. A leak has not. */
const settledMs = 30_000;
/** 408: the daemon waited for a request in vain, with which nothing was done. */
const busyMachine = 408;
/** Parts of the time, each with the least memory that was seen in it. */
const memoryParts = 10;
/** Which parts are the middle, and which the end. */
const middleParts = [3, 6];
const endParts = [7, 10];
const pairs = [
  ['left', 'right'],
  ['near', 'far'],
];
/** Bytes a frame, of each pair. */
const sizes = [64, 1500];

const memoryKiB = (pid) =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

/** How many of each; a file that went meanwhile is none. */
function tally(names) {
  const counts = {};
  for (const name of names.sort()) {
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function openFiles(pid) {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(join(folder, fd)).replace(/:\[\d+\]$/, '')];
    } catch {
      return [];
    }
  });
}

/** Of files, as peers' memory is: those without one are the heap's, which breathes. */
function fileMappings(pid) {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').trim().split('\n');
  return lines.map((line) => line.split(/\s+/)).filter(([, , , , inode]) => inode !== '0');
}

function footprint(pid) {
  return {
    memoryKiB: memoryKiB(pid),
    files: tally(openFiles(pid)),
    mappings: tally(fileMappings(pid).map((fields) => fields.slice(5).join(' '))),
    threads: readdirSync(`/proc/${pid}/task`).length,
  };
}

/** What there is more of than before. */
function grown(before, after) {
  const more = (kind) =>
    Object.entries(after[kind])
      .filter(([name, count]) => count > (before[kind][name] ?? 0))
      .map(([name, count]) => `${kind}: ${count - (before[kind][name] ?? 0)} more of ${name}`);
  return [
    ...more('files'),
    ...more('mappings'),
    ...(after.threads > before.threads ? [`threads: ${after.threads - before.threads} more`] : []),
  ];
}

const sum = (list, read) => list.reduce((total, one) => total + read(one), 0);

const least = (list) => Math.min(...list);

class Soak {
  #home = mkdtempSync(join(tmpdir(), 'memswitch-soak-'));
  #children = [];
  #stop = false;
  counts = {
    attaches: 0,
    applies: 0,
    moves: 0,
    scrapes: 0,
    captures: 0,
    capturedBytes: 0,
    refusals: 0,
  };
  hostileConnections = 0;
  memoryKiB = [];

  async start() {
    const daemon = this.#spawn(process.execPath, [
      '--max-old-space-size=64',
      join(root, 'dist/switch/cli/main.js'),
      ...['run', '--api', this.#path('api.sock')],
    ]);
    await once(daemon.stdout, 'data');
    this.pid = daemon.pid;
    // A worker's own files stay for the next one of its number, so all that will be are there once.
    await this.#api('POST', '/v1/apply', this.#configuration(3, true));
    await this.#api('POST', '/v1/apply', this.#configuration(2, false));
    this.loads = pairs.flatMap(([one, other], i) => [
      this.#load(one, `02:00:00:00:0${i}:01`, `02:00:00:00:0${i}:02`, sizes[i]),
      this.#load(other, `02:00:00:00:0${i}:02`, `02:00:00:00:0${i}:01`, sizes[i]),
    ]);
    const up = async () =>
      (await this.#api('GET', '/v1/ports')).filter(({ link }) => link === 'up').length;
    while ((await up()) < this.loads.length) {
      await delay(50);
    }
    for (const { stdin } of this.loads) {
      stdin.write('\n');
    }
  }

  /** Everything at once, for that time; then quiet. Returns what the daemon has then. */
  async turmoil(ms) {
    this.#stop = false;
    let connections = '';
    const hostile = this.#spawn('python3', [
      join(root, 'test/soak/hostile.py'),
      this.#path('hostile.sock'),
    ]);
    hostile.stdout.on('data', (more) => {
      connections += more;
    });
    const tasks = [
      this.#guests(),
      this.#applications(),
      this.#queues(),
      this.#scrapes(),
      this.#captures(),
      this.#samples(ms / memoryParts),
    ];
    await Promise.race([delay(ms), ...tasks]);
    this.#stop = true;
    await Promise.all(tasks);
    hostile.stdin.end();
    await once(hostile, 'close');
    this.hostileConnections += Number(connections);
    await this.#api('POST', '/v1/apply', this.#configuration(2, false));
    await delay(3000);
    return footprint(this.pid);
  }

  /** As after a turmoil, when it has no more than before, or will have for ever. */
  async settled(before) {
    const end = performance.now() + settledMs;
    let now = footprint(this.pid);
    while (grown(before, now).length > 0 && performance.now() < end) {
      await delay(500);
      now = footprint(this.pid);
    }
    return now;
  }

  /** What the pairs' clients say in the end, and the switch of their ports. */
  async finish() {
    const finals = this.loads.map(async (child) => {
      let text = '';
      child.stdout.on('data', (more) => {
        text += more;
      });
      child.stdin.end();
      await once(child, 'close');
      return JSON.parse(text.trim().split('\n').at(-1));
    });
    const clients = await Promise.all(finals);
    const all = await this.#api('GET', '/v1/ports');
    const ports = pairs.flat().map((name) => all.find((port) => port.name === name));
    const captures = await this.#api('GET', '/v1/captures');
    return { clients, captures, ports };
  }

  end() {
    for (const child of this.#children) {
      child.kill('SIGKILL');
    }
    rmSync(this.#home, { recursive: true, force: true });
  }

  #path(name) {
    return join(this.#home, name);
  }

  #configuration(workers, extra) {
    const port = (name, bridge) => ({ kind: 'memif', bridge, socket: this.#path(`${name}.sock`) });
    const ports = {
      ...Object.fromEntries(
        pairs.flatMap((pair) => pair.map((name) => [name, port(name, pair.join('-'))])),
      ),
      hostile: port('hostile', 'red'),
      ...(extra ? { extra: port('extra', 'red') } : {}),
    };
    return { workers, polling: 'adaptive', ports };
  }

  #spawn(program, args) {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.on('error', () => undefined);
    this.#children.push(child);
    child.on('close', () => {
      this.#children = this.#children.filter((other) => other !== child);
    });
    return child;
  }

  #load(name, mac, peer, size = 300) {
    const args = { socket: this.#path(`${name}.sock`), mac, peer, window: 256, size, name };
    const child = this.#spawn(
      join(root, 'build/Release/load'),
      Object.entries(args).flatMap(([key, value]) => [`--${key}`, String(value)]),
    );
    child.stdout.setEncoding('utf8');
    child.stdout.resume();
    return child;
  }

  async #guests() {
    for (let i = 0; !this.#stop; i++) {
      const name = `guest${i % 3}`;
      const options = { kind: 'memif', bridge: 'red', socket: this.#path(`${name}.sock`) };
      await this.#api('POST', `/v1/ports/${name}`, options);
      const client = this.#load(name, '02:00:00:00:00:09', '02:00:00:00:00:0a');
      client.stdin.write('\n');
      const closed = once(client, 'close');
      // On a busy machine the handshake may take too long: then it goes, and another comes.
      while (
        client.exitCode === null &&
        (await this.#api('GET', `/v1/ports/${name}`)).link !== 'up'
      ) {
        await delay(10);
      }
      this.counts.attaches++;
      await delay(50);
      // By turns: it dies, or loses its port.
      if (i % 2 === 0) {
        client.kill('SIGKILL');
      }
      await this.#api('DELETE', `/v1/ports/${name}`);
      client.kill('SIGKILL');
      await closed;
    }
  }

  async #applications() {
    for (let i = 0; !this.#stop; i++) {
      await this.#api('POST', '/v1/apply', this.#configuration(1 + (i % 3), i % 2 === 0));
      this.counts.applies++;
      await delay(200);
    }
  }

  /** A worker may just have gone: that is refused, and no harm. */
  async #queues() {
    for (let i = 0; !this.#stop; i++) {
      const path = `/v1/ports/${i % 2 === 0 ? 'left' : 'near'}/queues/0`;
      const answer = await this.#send('PUT', path, { worker: i % 3 });
      this.counts[answer.status < 300 ? 'moves' : 'refusals']++;
      await delay(20);
    }
  }

  async #scrapes() {
    while (!this.#stop) {
      await this.#send('GET', '/metrics');
      this.counts.scrapes++;
      await delay(100);
    }
  }

  /** By turns: one is read, one is not, and both go without a word. */
  async #captures() {
    for (let i = 0; !this.#stop; i++) {
      const path = `/v1/capture?ports=left,far&snaplen=${i % 3 === 0 ? 0 : 96}`;
      const asked = request({ socketPath: this.#path('api.sock'), path, agent: false });
      asked.on('error', () => undefined).end();
      const [answer] = await once(asked, 'response');
      if (i % 2 === 0) {
        answer.on('data', ({ length }) => {
          this.counts.capturedBytes += length;
        });
      }
      answer.on('error', () => undefined);
      await delay(300);
      asked.destroy();
      this.counts.captures++;
      await delay(700);
    }
  }

  async #samples(ms) {
    const list = [];
    while (!this.#stop) {
      list.push(memoryKiB(this.pid));
      await delay(Math.min(1000, ms / 5));
    }
    const bound = (part) => Math.floor((part * list.length) / memoryParts);
    this.memoryKiB = Array.from({ length: memoryParts }, (_, part) =>
      least(list.slice(bound(part), bound(part + 1))),
    );
  }

  async #api(method, path, body) {
    let { status, text } = await this.#send(method, path, body);
    while (status === busyMachine) {
      this.counts.refusals++;
      ({ status, text } = await this.#send(method, path, body));
    }
    if (status >= 300) {
      throw new Error(`${method} ${path}: ${status} ${text}`);
    }
    return text === '' ? undefined : JSON.parse(text);
  }

  #send(method, path, body) {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const asked = request(
        { socketPath: this.#path('api.sock'), method, path, headers, agent: false },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (more) => {
            text += more;
          });
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
        },
      );
      asked.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** What is wrong; empty: nothing. */
function faults(before, after, memory, { clients, ports, captures }) {
  const drops = sum(ports, (port) => sum(Object.values(port.drops), (frames) => frames));
  return [
    ...grown(before, after),
    least(memory.slice(...endParts)) > least(memory.slice(...middleParts)) + slackKiB &&
      'memory has grown',
    captures.length > 0 && 'captures went on without a reader',
    sum(clients, (c) => c.sent) !== sum(clients, (c) => c.received) && 'frames were lost',
    sum(clients, (c) => c.invalid) > 0 && 'frames were changed',
    drops > 0 && 'frames of the pairs were dropped',
    ports.some(({ rx }, i) => rx.frames !== ports[i ^ 1].tx.frames) &&
      'the counters of the pairs do not balance',
  ].filter(Boolean);
}

/** Returns the figures, with `faults`. */
export async function soak(minutes) {
  const run = new Soak();
  try {
    await run.start();
    const ms = minutes * 60_000;
    const before = await run.turmoil(ms / 5);
    await run.turmoil((ms * 4) / 5);
    const after = await run.settled(before);
    const end = await run.finish();
    const { counts, hostileConnections, memoryKiB } = run;
    const sent = sum(end.clients, (client) => client.sent);
    const received = sum(end.clients, (client) => client.received);
    const done = { minutes, sent, received, ...counts, hostileConnections };
    return { ...done, before, memoryKiB, after, faults: faults(before, after, memoryKiB, end) };
  } finally {
    run.end();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } });
  const figures = await soak(Number(values.minutes));
  process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`);
  process.exitCode = figures.faults.length > 0 ? 1 : 0;
}
