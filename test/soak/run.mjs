/**
 * A soak: a daemon with a pair at full speed, and beside it all that a day brings, at once: ports that come and go with their
 * clients, configurations applied, workers added, queues moved, metrics scraped, hostile clients. Afterwards the pair has lost
 * nothing, and the daemon has the memory, files, mappings and threads that it had after the first minute.
 *
 *   npm run soak -- --minutes 30
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const quietMs = 3000;
/** Node's heap breathes: what it may have more at the end. The leak of a page an attachment would be past it in minutes. */
const slackKiB = 24 * 1024;

/**
 * Ten minutes with 812 attachments ended with four files and a mapping more than two had: what one attachment has. Which one is
 * not known. One for each attachment would be thousands.
 */
const oneAttachment = { files: 4, mappings: 1 };

const statm = (pid, field) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

/** Of files, as peers' memory is: those without one are the heap's, which breathes. */
function fileMappings(pid) {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').trim().split('\n');
  return lines.filter((line) => line.split(/\s+/)[4] !== '0').length;
}

function footprint(pid) {
  return {
    memoryKiB: statm(pid, 'RssAnon'),
    files: readdirSync(`/proc/${pid}/fd`).length,
    mappings: fileMappings(pid),
    threads: readdirSync(`/proc/${pid}/task`).length,
  };
}

class Soak {
  #home = mkdtempSync(join(tmpdir(), 'memswitch-soak-'));
  #children = [];
  #stop = false;
  counts = { attaches: 0, applies: 0, moves: 0, scrapes: 0, refusals: 0 };

  async start() {
    const daemon = this.#spawn(process.execPath, [
      '--max-old-space-size=64',
      join(root, 'dist/switch/cli/main.js'),
      ...['run', '--api', this.#path('api.sock')],
    ]);
    await once(daemon.stdout, 'data');
    this.pid = daemon.pid;
    await this.#api('POST', '/v1/apply', this.#configuration(2, false));
    this.pair = [
      this.#load('left', '02:00:00:00:00:01', '02:00:00:00:00:02'),
      this.#load('right', '02:00:00:00:00:02', '02:00:00:00:00:01'),
    ];
    while ((await this.#api('GET', '/v1/ports')).filter(({ link }) => link === 'up').length < 2) {
      await delay(50);
    }
    for (const { stdin } of this.pair) {
      stdin.write('\n');
    }
  }

  /** Everything at once, for that time; then quiet. */
  async turmoil(ms) {
    this.#stop = false;
    const hostile = this.#spawn('python3', [
      join(root, 'test/soak/hostile.py'),
      this.#path('hostile.sock'),
    ]);
    const tasks = [this.#guests(), this.#applications(), this.#queues(), this.#scrapes()];
    await Promise.race([delay(ms), ...tasks]);
    this.#stop = true;
    await Promise.all(tasks);
    hostile.stdin.end();
    await once(hostile, 'close');
    await this.#api('POST', '/v1/apply', this.#configuration(2, false));
    await delay(quietMs);
    return footprint(this.pid);
  }

  /** What the pair's clients say in the end, and the switch of its ports. */
  async finish() {
    const finals = this.pair.map(async (child) => {
      let text = '';
      child.stdout.on('data', (more) => {
        text += more;
      });
      child.stdin.end();
      await once(child, 'close');
      return JSON.parse(text.trim().split('\n').at(-1));
    });
    const clients = await Promise.all(finals);
    const ports = await this.#api('GET', '/v1/ports');
    return { clients, ports: ports.filter(({ name }) => ['left', 'right'].includes(name)) };
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
      left: port('left', 'blue'),
      right: port('right', 'blue'),
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

  #load(name, mac, peer) {
    const args = { socket: this.#path(`${name}.sock`), mac, peer, window: 256, size: 300, name };
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
      while ((await this.#api('GET', `/v1/ports/${name}`)).link !== 'up') {
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
      const path = `/v1/ports/${i % 2 === 0 ? 'left' : 'right'}/queues/0`;
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

  async #api(method, path, body) {
    const { status, text } = await this.#send(method, path, body);
    if (status >= 300) {
      throw new Error(`${method} ${path}: ${status} ${text}`);
    }
    return text === '' ? undefined : JSON.parse(text);
  }

  #send(method, path, body) {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const asked = request(
        { socketPath: this.#path('api.sock'), method, path, headers },
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
function faults(before, after, { clients, ports }) {
  const [left, right] = ports;
  const sum = (list, read) => list.reduce((total, one) => total + read(one), 0);
  const drops = sum(ports, (port) => sum(Object.values(port.drops), (frames) => frames));
  return [
    after.memoryKiB > before.memoryKiB + slackKiB && 'memory has grown',
    after.files > before.files + oneAttachment.files && 'files were left open',
    after.mappings > before.mappings + oneAttachment.mappings && 'mappings were left behind',
    after.threads > before.threads && 'threads were left running',
    sum(clients, (c) => c.sent) !== sum(clients, (c) => c.received) && 'frames were lost',
    sum(clients, (c) => c.invalid) > 0 && 'frames were changed',
    drops > 0 && 'frames of the pair were dropped',
    (left.rx.frames !== right.tx.frames || right.rx.frames !== left.tx.frames) &&
      'the counters of the pair do not balance',
  ].filter(Boolean);
}

/** Returns the figures, with `faults`. */
export async function soak(minutes) {
  const run = new Soak();
  try {
    await run.start();
    const ms = minutes * 60_000;
    const before = await run.turmoil(ms / 5);
    const after = await run.turmoil((ms * 4) / 5);
    const end = await run.finish();
    const frames = end.clients.reduce((total, { received }) => total + received, 0);
    return { minutes, frames, ...run.counts, before, after, faults: faults(before, after, end) };
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
