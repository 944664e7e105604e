/** The daemon's API against its own OpenAPI document: every operation is called, every answer has the promised shape. */
import { lstatSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { toJson } from '../../switch/api/json.js';
import { lintMetrics } from './prometheus.js';
import { daemon, folder, memswitch } from './support.js';

interface Answer {
  status: number;
  text: string;
  type: string | undefined;
  encoding: string | undefined;
}

interface Operation {
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}

interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
}

const ajv = new Ajv2020({ strict: false, allErrors: true });

function call(
  socketPath: string,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string | number> = body ? { 'content-type': 'application/json' } : {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers }, (reply) => {
      const parts: Buffer[] = [];
      reply.on('data', (part) => parts.push(part));
      reply.on('end', () => {
        const { 'content-type': type, 'content-encoding': encoding } = reply.headers;
        const bytes = Buffer.concat(parts);
        const text = (encoding === 'gzip' ? gunzipSync(bytes) : bytes).toString();
        resolve({ status: reply.statusCode ?? 0, text, type, encoding });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A daemon with one port, and its operations held to its document. */
async function served() {
  const path = folder();
  const api = join(path, 'api.sock');
  const config = join(path, 'config.yaml');
  const web = `{ kind: memif, bridge: blue, socket: ${path}/web.sock, secret: hush }`;
  writeFileSync(config, `ports: { web: ${web} }`);
  await daemon(['--config', config], api);
  const document = JSON.parse((await call(api, 'GET', '/openapi.json')).text) as Document;
  const called = new Set<string>();

  /** `url` where it differs from the document's path, by parameters. */
  async function conform(method: string, path: string, body?: object, url = path) {
    called.add(`${method} ${path}`);
    const operation = document.paths[path]?.[method.toLowerCase()];
    const answer = await call(api, method, url, body && JSON.stringify(body));
    const promised = operation?.responses[answer.status] ?? operation?.responses.default;
    expect(promised, `${method} ${path} is in the document`).toBeDefined();
    const schema = promised?.content?.['application/json']?.schema;
    if (!schema && promised?.content) {
      expect(Object.keys(promised.content), path).toEqual([answer.type?.split(';')[0]]);
      return { status: answer.status, json: undefined };
    }
    const json = answer.text === '' ? undefined : JSON.parse(answer.text);
    if (schema) {
      ajv.validate(schema, json);
      expect(ajv.errors, answer.text).toBeNull();
    } else {
      expect(json).toBeUndefined();
    }
    return { status: answer.status, json };
  }
  return { api, document, called, conform, path };
}

test('every operation answers as the document says', async () => {
  const { conform, called, document, path } = await served();
  const db = { kind: 'memif', bridge: 'blue', socket: join(path, 'db.sock') };
  const static_ = { bridge: 'blue', mac: '02:00:00:00:00:09', port: 'db' };
  const port = 40_000 + (process.pid % 9_000);
  const wan = { kind: 'vxlan', bridge: 'blue', vni: 7, local: '127.0.0.1', port };
  const remotes = '/v1/tunnels/{name}/remotes';
  const pod = {
    network: 'n',
    container: 'c',
    interface: 'net1',
    kind: 'memif',
    bridge: 'blue',
    socket: join(path, 'pod/net1.sock'),
  };
  const attachment = '/v1/attachments/{id}';
  const steps: [number, ...Parameters<typeof conform>][] = [
    [200, 'GET', '/v1/switch'],
    [200, 'GET', '/v1/workers'],
    [200, 'GET', '/v1/drops'],
    [200, 'GET', '/healthz'],
    [200, 'GET', '/metrics'],
    [200, 'GET', '/v1/ports'],
    [201, 'POST', '/v1/ports/{name}', db, '/v1/ports/db'],
    [409, 'POST', '/v1/ports/{name}', db, '/v1/ports/db'],
    [400, 'POST', '/v1/ports/{name}', { ...db, ringSize: 1000 }, '/v1/ports/other'],
    [200, 'GET', '/v1/ports/{name}', undefined, '/v1/ports/db'],
    [404, 'GET', '/v1/ports/{name}', undefined, '/v1/ports/nope'],
    [201, 'POST', '/v1/workers', { polling: 'interrupt' }],
    [204, 'PATCH', '/v1/workers/{worker}', { cpu: 0 }, '/v1/workers/1'],
    [400, 'PATCH', '/v1/workers/{worker}', { cpu: 4000 }, '/v1/workers/1'],
    [404, 'PUT', '/v1/ports/{name}/queues/{queue}', { worker: 0 }, '/v1/ports/db/queues/0'],
    [204, 'DELETE', '/v1/workers/{worker}', undefined, '/v1/workers/1'],
    [404, 'DELETE', '/v1/workers/{worker}', undefined, '/v1/workers/1'],
    [201, 'POST', '/v1/bridges/{name}', { ageing: 10 }, '/v1/bridges/red'],
    [200, 'GET', '/v1/bridges'],
    [200, 'GET', '/v1/bridges/{name}', undefined, '/v1/bridges/red'],
    [200, 'PATCH', '/v1/bridges/{name}', { learn: false }, '/v1/bridges/red'],
    [400, 'PATCH', '/v1/bridges/{name}', { lern: false }, '/v1/bridges/red'],
    [204, 'POST', '/v1/macs', static_],
    [400, 'POST', '/v1/macs', { ...static_, mac: '01:00:00:00:00:00' }],
    [200, 'GET', '/v1/macs'],
    [200, 'GET', '/v1/macs', undefined, '/v1/macs?kind=static&limit=1&port=db'],
    [400, 'GET', '/v1/macs', undefined, '/v1/macs?limit=many'],
    [200, 'POST', '/v1/macs/flush', {}],
    [204, 'DELETE', '/v1/macs', undefined, '/v1/macs?bridge=blue&mac=02:00:00:00:00:09'],
    [404, 'DELETE', '/v1/macs', undefined, '/v1/macs?bridge=blue&mac=02:00:00:00:00:09'],
    [201, 'POST', '/v1/ports/{name}', wan, '/v1/ports/wan'],
    [200, 'GET', '/v1/tunnels'],
    [201, 'POST', remotes, { address: '127.0.0.3' }, '/v1/tunnels/wan/remotes'],
    [409, 'POST', remotes, { address: '127.0.0.3' }, '/v1/tunnels/wan/remotes'],
    [400, 'POST', remotes, { address: '2001:db8::1' }, '/v1/tunnels/wan/remotes'],
    [200, 'GET', '/v1/tunnels/{name}', undefined, '/v1/tunnels/wan'],
    [400, 'GET', '/v1/tunnels/{name}', undefined, '/v1/tunnels/db'],
    [204, 'DELETE', remotes, undefined, '/v1/tunnels/wan/remotes?address=127.0.0.3'],
    [404, 'DELETE', remotes, undefined, '/v1/tunnels/wan/remotes?address=127.0.0.3'],
    [200, 'PUT', attachment, pod, '/v1/attachments/one'],
    [400, 'PUT', attachment, { ...pod, kind: 'tap' }, '/v1/attachments/one'],
    [200, 'GET', '/v1/attachments'],
    [200, 'GET', attachment, undefined, '/v1/attachments/one'],
    [204, 'POST', `${attachment}/detach`, undefined, '/v1/attachments/one/detach'],
    [204, 'DELETE', attachment, undefined, '/v1/attachments/one'],
    [404, 'GET', attachment, undefined, '/v1/attachments/one'],
    [404, 'GET', '/v1/capture', undefined, '/v1/capture?ports=nope'],
    [400, 'GET', '/v1/capture', undefined, '/v1/capture?ports=db&snaplen=-1'],
    [200, 'GET', '/v1/captures'],
    [200, 'POST', '/v1/why', { mac: '02:00:00:00:00:07' }],
    [400, 'POST', '/v1/why', { frame: 'xyz', port: 'db' }],
    [404, 'POST', '/v1/why', { frame: '00', port: 'nope' }],
    [201, 'POST', '/v1/mirrors/{name}', { from: ['db'], to: 'wan' }, '/v1/mirrors/tap'],
    [409, 'POST', '/v1/mirrors/{name}', { from: ['db'], to: 'wan' }, '/v1/mirrors/tap'],
    [400, 'POST', '/v1/mirrors/{name}', { from: ['db'], to: 'db' }, '/v1/mirrors/other'],
    [200, 'GET', '/v1/mirrors'],
    [200, 'GET', '/v1/mirrors/{name}', undefined, '/v1/mirrors/tap'],
    [204, 'DELETE', '/v1/mirrors/{name}', undefined, '/v1/mirrors/tap'],
    [404, 'DELETE', '/v1/mirrors/{name}', undefined, '/v1/mirrors/tap'],
    [400, 'POST', '/v1/takeover', { socket: 'nobody', pid: 1 }],
    [500, 'POST', '/v1/takeover', { socket: join(path, 'nobody'), pid: 1 }],
    [200, 'POST', '/v1/apply', { ports: {} }, '/v1/apply?dryRun=true'],
    [400, 'POST', '/v1/apply', { prots: {} }],
    [200, 'PATCH', '/v1/ports/{name}', { bridge: 'red', macLimit: 5 }, '/v1/ports/db'],
    [409, 'DELETE', '/v1/bridges/{name}', undefined, '/v1/bridges/red'],
    [204, 'DELETE', '/v1/ports/{name}', undefined, '/v1/ports/db'],
    [204, 'DELETE', '/v1/bridges/{name}', undefined, '/v1/bridges/red'],
  ];
  for (const [status, ...step] of steps) {
    expect(await conform(...step), step.join(' ')).toMatchObject({ status });
  }
  // A stream, which does not end: api-events.test.ts.
  called.add('GET /events');
  const promised = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect([...called].sort()).toEqual(promised.sort());
});

describe('answers', () => {
  test('name every mistake with its path', async () => {
    const { conform } = await served();
    const body = { kind: 'memif', bridge: 'blue', socket: 'x', ringSize: 1000 };
    const { json } = await conform('POST', '/v1/ports/{name}', body, '/v1/ports/new');
    expect(json.error).toMatchObject({ code: 'INVALID', path: 'ports.new.socket' });
    expect(json.error.mistakes).toContainEqual({
      path: 'ports.new.ringSize',
      message: 'must be a power of two from 2 to 16384, got 1000',
    });
  });

  test('never show a secret', async () => {
    const { api } = await served();
    const { text } = await call(api, 'GET', '/v1/ports');
    expect(text).not.toContain('hush');
    expect(JSON.parse(text)[0].options.secret).toBe(true);
  });

  test('refuse what is no JSON, too long, or nowhere', async () => {
    const { api } = await served();
    expect((await call(api, 'POST', '/v1/macs', '{')).status).toBe(400);
    const long = { 'content-type': 'application/json', 'content-length': (1 << 20) + 1 };
    expect((await call(api, 'POST', '/v1/macs', undefined, long)).status).toBe(413);
    const nowhere = await call(api, 'GET', '/v2/ports');
    expect(nowhere.status).toBe(404);
    expect(JSON.parse(nowhere.text).error.code).toBe('NOT_FOUND');
  });

  test('have integers of any size', () => {
    const value = { a: [1n, 2n ** 64n - 1n], b: undefined, c: null, d: 'é"', e: 1.5, f: {} };
    expect(toJson(value)).toBe('{"a":[1,18446744073709551615],"c":null,"d":"é\\"","e":1.5,"f":{}}');
  });
});

test('metrics have the names and labels of the design', async () => {
  const { api } = await served();
  const { text, type } = await call(api, 'GET', '/metrics');
  expect(type).toMatch(/^text\/plain; version=0.0.4/);
  expect(lintMetrics(text)).toEqual([]);
  expect(text).toContain('memswitch_port_rx_frames_total{port="web",kind="memif",bridge="blue"} 0');
  expect(text).toContain('memswitch_port_tx_bytes_total{port="web",kind="memif",bridge="blue"} 0');
  expect(text).toContain('# TYPE memswitch_port_dropped_frames_total counter');
  expect(text).toContain('memswitch_dropped_frames_total{reason="ring_full",side="tx"} 0');
  expect(text).toContain('memswitch_port_up{port="web",kind="memif",bridge="blue"} 0');
  expect(text).toContain('memswitch_mac_entries{bridge="blue"} 0');
  expect(text).toMatch(/^memswitch_worker_busy_cycles_total\{worker="0"\} \d+$/m);
  expect(text).toMatch(/^memswitch_worker_idle_cycles_total\{worker="0"\} \d+$/m);
  expect(text).toContain('# TYPE memswitch_worker_burst_frames histogram');
  expect(text).toMatch(/^memswitch_worker_burst_frames_bucket\{worker="0",le="\+Inf"\} 0$/m);
  expect(text).toMatch(/^memswitch_worker_burst_frames_count\{worker="0"\} 0$/m);
});

test.each([
  ['gzip', 'gzip'],
  ['deflate, gzip;q=0.5', 'gzip'],
  ['gzip;q=0', undefined],
  ['br', undefined],
])('metrics asked for with %s come as %s', async (accepted, encoding) => {
  const { api } = await served();
  const answer = await call(api, 'GET', '/metrics', undefined, { 'accept-encoding': accepted });
  expect(answer.encoding).toBe(encoding);
  expect(lintMetrics(answer.text)).toEqual([]);
});

describe('the socket', () => {
  test('is for its owner and group', async () => {
    const { api } = await served();
    expect(lstatSync(api).mode & 0o777).toBe(0o660);
  });

  test('of a live daemon is not taken', async () => {
    const { api } = await served();
    const { status, stderr } = await memswitch(['run', '--api', api]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^memswitch: another memswitch serves .*; .*--api/);
    expect((await call(api, 'GET', '/healthz')).status).toBe(200);
  });

  test('of a dead daemon is taken over', async () => {
    const api = join(folder(), 'api.sock');
    const first = await daemon([], api);
    first.child.kill('SIGKILL');
    await first.end;
    expect(lstatSync(api).isSocket()).toBe(true);
    await daemon([], api);
    expect((await call(api, 'GET', '/healthz')).status).toBe(200);
  });

  test('that is a file is left alone', async () => {
    const api = join(folder(), 'precious');
    writeFileSync(api, 'text');
    const { status, stderr } = await memswitch(['run', '--api', api]);
    expect(status).toBe(1);
    expect(stderr).toContain('is not a socket');
  });

  test('that someone serves who is not memswitch is not taken either', async () => {
    const api = join(folder(), 'other.sock');
    const other = createServer().listen(api);
    expect((await memswitch(['run', '--api', api])).status).toBe(1);
    other.close();
  });
});
