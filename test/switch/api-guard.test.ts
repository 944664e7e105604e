/** What the API lets nobody do: keep the switch from its frames, or in by the network without a token. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Switch } from 'memswitch';
import { describe, expect, onTestFinished, test } from 'vitest';
import { streamLimit } from '../../switch/api/limits.js';
import { type ApiOptions, serveApi } from '../../switch/api/server.js';
import { Load } from '../../switch/cli/load.js';
import { daemon, folder, memif, memswitch, until } from './support.js';

const [one, two] = ['02:00:00:00:00:01', '02:00:00:00:00:02'];

async function served(options: ApiOptions = {}) {
  const path = folder();
  const sockets = { left: join(path, 'left.sock'), right: join(path, 'right.sock') };
  const ports = { left: memif(sockets.left), right: memif(sockets.right) };
  const sw = await Switch.start({ ports });
  const { socket, close } = await serveApi(sw, join(path, 'api.sock'), options);
  onTestFinished(async () => {
    await close();
    await sw.close();
  });
  return { sw, api: socket, sockets };
}

function get(socketPath: string, path: string, agent?: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path, agent }, resolve).on('error', reject).end();
  });
}

describe('events', () => {
  test('come as they happen, in the form of server-sent events', async () => {
    const { sw, api, sockets } = await served();
    const stream = await get(api, '/events');
    let text = '';
    stream.setEncoding('utf8').on('data', (part) => {
      text += part;
    });
    stream.on('error', () => undefined);
    expect(stream.headers['content-type']).toBe('text/event-stream');
    const load = new Load({
      name: 'left',
      socket: sockets.left,
      mac: one,
      peer: two,
      window: 1,
      size: 64,
    });
    onTestFinished(() => load.kill());
    await until('the peer is told of', () => text.includes('link-up'));
    load.kill();
    await until('its end is told of', () => text.includes('link-down'));
    const [hello, up] = text.split('\n\n');
    expect(hello).toMatch(/^: /);
    expect(up).toBe('event: link-up\ndata: {"type":"link-up","port":"left","peer":"left"}');
    stream.destroy();
    expect(sw.port('left').attaches).toBe(1);
  });

  test('have so many listeners and no more, and a place is free again when one leaves', async () => {
    const { api } = await served();
    const agent = new Agent();
    const streams = await Promise.all(
      Array.from({ length: streamLimit }, () => get(api, '/events', agent)),
    );
    expect(streams.every(({ statusCode }) => statusCode === 200)).toBe(true);
    expect((await get(api, '/events')).statusCode).toBe(429);
    streams[0]?.destroy();
    await until('a place is free', async () => {
      const stream = await get(api, '/events');
      const free = stream.statusCode === 200;
      stream.destroy();
      return free;
    });
    for (const stream of streams) {
      stream.destroy();
    }
  });
});

test('a flood of the API costs a running pair no frame, and passes', async () => {
  const { sw, api, sockets } = await served();
  const client = (name: 'left' | 'right', mac: string, peer: string) => {
    const load = new Load({ name, socket: sockets[name], mac, peer, window: 256, size: 64 });
    onTestFinished(() => load.kill());
    return load;
  };
  const loads = [client('left', one, two), client('right', two, one)];
  await Promise.all(loads.map((load) => load.attached));
  for (const load of loads) {
    load.begin();
  }
  await until('frames flow', () => sw.status().tx.frames > 10_000n);
  const answers = new Map<number, number>();
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const paths = ['/v1/ports', '/metrics', '/v1/macs', '/nowhere', '/v1/switch'];
  const flood = Array.from({ length: 2000 }, async (_, index) => {
    const answer = await get(api, paths[index % paths.length] as string, agent);
    answer.resume();
    const status = answer.statusCode ?? 0;
    answers.set(status, (answers.get(status) ?? 0) + 1);
  });
  // Beside it some that say nothing, and one that says too much.
  const silent = Array.from({ length: 50 }, () => connect(api).on('error', () => undefined));
  const babble = connect(api).on('error', () => undefined);
  babble.write(`GET / HTTP/1.1\r\nx: ${'y'.repeat(100_000)}`);
  await Promise.all(flood);
  const before = sw.status().tx.frames;
  await until('frames flow on', () => sw.status().tx.frames > before);
  for (const each of [...silent, babble]) {
    each.destroy();
  }
  agent.destroy();
  expect([...answers.keys()].filter((status) => ![200, 404, 429].includes(status))).toEqual([]);
  await until('it answers again', async () => (await get(api, '/healthz')).statusCode === 200);
  const reports = await Promise.all(loads.map((load) => load.finish()));
  const sum = (key: 'sent' | 'received' | 'invalid') =>
    reports.reduce((total, report) => total + report[key], 0);
  expect(sum('received')).toBe(sum('sent'));
  expect(sum('invalid')).toBe(0);
  expect(sw.drops()).toEqual([]);
  const { rx, tx, copies, drops } = sw.status();
  expect(rx.frames + copies).toBe(tx.frames + drops);
});

test('only so many requests a second are answered, and later they are again', async () => {
  const { api } = await served({ requestsPerSecond: 5 });
  const status = async () => {
    const answer = await get(api, '/v1/switch');
    return `${answer.resume().statusCode} ${answer.headers['retry-after'] ?? ''}`;
  };
  expect(await status()).toBe('200 ');
  await until('it is refused', async () => (await status()) === '429 1');
  await until('it is answered', async () => (await status()) === '200 ');
});

test('the command asks again when the API is busy', async () => {
  const api = join(folder(), 'api.sock');
  let asked = 0;
  const busy = createServer((_, reply) => {
    reply.statusCode = asked++ < 2 ? 429 : 200;
    reply.end('[]');
  }).listen(api);
  onTestFinished(() => void busy.close());
  const { status, stdout } = await memswitch(['show', 'drops', '--api', api]);
  expect({ asked, status, stdout }).toEqual({
    asked: 3,
    status: 0,
    stdout: 'nothing was dropped\n',
  });
});

describe('over TCP', () => {
  function credentials() {
    const path = folder();
    const [cert, key, token] = ['cert.pem', 'key.pem', 'token'].map((name) => join(path, name));
    const subject = [
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
    ];
    const files = ['-keyout', key as string, '-out', cert as string];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        ...files,
        ...subject,
      ],
      { stdio: 'ignore' },
    );
    writeFileSync(token as string, 'a secret of twenty-six letters\n');
    return { path, cert: cert as string, key: key as string, token: token as string };
  }

  test('it wants TLS and the token, and then does all that it does over the socket', async () => {
    const { path, cert, key, token } = credentials();
    const args = [
      '--listen',
      '127.0.0.1:0',
      '--tls-cert',
      cert,
      '--tls-key',
      key,
      '--token-file',
      token,
    ];
    const { line } = await daemon(args, join(path, 'api.sock'));
    const [, place = '', port = ''] = /tcp=(https:\/\/127\.0\.0\.1:(\d+))$/m.exec(line) ?? [];
    const status = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const options = {
          port,
          host: '127.0.0.1',
          path: '/v1/switch',
          headers,
          rejectUnauthorized: false,
        };
        secureRequest(options, (reply) => resolve(reply.resume().statusCode))
          .on('error', reject)
          .end();
      });
    expect(await status({})).toBe(401);
    expect(await status({ authorization: 'Bearer wrong' })).toBe(401);
    expect(await status({ authorization: 'Bearer a secret of twenty-six letters' })).toBe(200);
    await expect(
      new Promise((resolve, reject) => {
        request({ port, host: '127.0.0.1', path: '/v1/switch' }, resolve).on('error', reject).end();
      }),
    ).rejects.toThrow();
    const env = { MEMSWITCH_API: place, MEMSWITCH_TOKEN_FILE: token, NODE_EXTRA_CA_CERTS: cert };
    expect(await memswitch(['add', 'bridge', 'blue'], env)).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect((await memswitch(['show', 'bridges'], env)).stdout).toContain('blue');
    const { stderr } = await memswitch(['show', 'bridges'], { ...env, MEMSWITCH_TOKEN_FILE: '' });
    expect(stderr).toMatch(/^memswitch: .* wants a token; name the file .*\n$/);
    const stranger = await memswitch(['show', 'bridges'], { ...env, NODE_EXTRA_CA_CERTS: '' });
    expect(stranger).toMatchObject({ status: 1, stderr: expect.stringContaining('certificate') });
  });

  test.each([
    [['--listen', '127.0.0.1:0'], /not served over TCP without TLS and a token; give --tls-cert/],
    [['--listen', 'nowhere'], /--listen must be HOST:PORT, got nowhere/],
    [['--listen', '[::1]:99999'], /--listen must be HOST:PORT/],
    [
      [
        '--listen',
        '127.0.0.1:0',
        '--tls-cert',
        '/none',
        '--tls-key',
        '/none',
        '--token-file',
        '/none',
      ],
      /--token-file \/none: ENOENT/,
    ],
  ])('it refuses in one line: %s', async (args, message) => {
    const { line } = await daemon(args, join(folder(), 'api.sock'));
    expect(line).toMatch(message);
    expect(line.trimEnd().split('\n')).toHaveLength(1);
  });

  test('it refuses a token that could be guessed', async () => {
    const { path, cert, key, token } = credentials();
    writeFileSync(token, 'short\n');
    const args = [
      '--listen',
      '127.0.0.1:0',
      '--tls-cert',
      cert,
      '--tls-key',
      key,
      '--token-file',
      token,
    ];
    const { line } = await daemon(args, join(path, 'api.sock'));
    expect(line).toMatch(/the token has less than 16 characters; make one with: openssl rand/);
  });
});
