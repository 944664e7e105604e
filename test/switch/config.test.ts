/** Configurations as people write them: what is accepted, what each mistake is called, and that all are told at once. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkConfiguration,
  type Mistake,
  parseConfiguration,
  readConfiguration,
  SwitchError,
} from 'memswitch';
import { describe, expect, test } from 'vitest';
import { folder } from './support.js';

function mistakesOf(text: string): Mistake[] {
  try {
    parseConfiguration(text);
  } catch (error) {
    if (error instanceof SwitchError) {
      expect(error.code).toBe('INVALID');
      return [...error.mistakes];
    }
    throw error;
  }
  return [];
}

const web = (options: string) => `ports: { web: { kind: memif, bridge: blue, ${options} } }`;
const good = "socket: '@web'";
const wan = (options: string) => `ports: { wan: { kind: vxlan, bridge: blue, ${options} } }`;
const end = 'vni: 1, local: 192.0.2.1';

const table: [description: string, text: string, path: string, message: string | RegExp][] = [
  [
    'ring size',
    web(`${good}, ringSize: 1000`),
    'ports.web.ringSize',
    'must be a power of two from 2 to 16384, got 1000',
  ],
  ['VNI', wan('vni: 16777216, local: 192.0.2.1'), 'ports.wan.vni', /from 0 to 16777215, got/],
  ['no local address', wan('vni: 1'), 'ports.wan.local', /^must be the IP address .* missing$/],
  ['a group as local', wan('vni: 1, local: 224.0.0.1'), 'ports.wan.local', /got "224.0.0.1"/],
  ['an address of a link', wan('vni: 1, local: fe80::1'), 'ports.wan.local', /got "fe80::1"/],
  [
    'a remote of the other family',
    wan(`${end}, remotes: [192.0.2.2, '2001:db8::2']`),
    'ports.wan.remotes[1]',
    'must be of the same family as local (192.0.2.1), got "2001:db8::2"',
  ],
  [
    'a remote twice',
    wan(`${end}, remotes: [192.0.2.2, 192.0.2.2]`),
    'ports.wan.remotes[1]',
    'must not be listed twice, got "192.0.2.2"',
  ],
  [
    'a remote that is local',
    wan(`${end}, remotes: [192.0.2.1]`),
    'ports.wan.remotes[0]',
    'must not be the local address, got "192.0.2.1"',
  ],
  [
    'a remote that is no address',
    wan(`${end}, remotes: [192.0.2.300]`),
    'ports.wan.remotes[0]',
    /^must be the IP address of one host/,
  ],
  ['remotes as text', wan(`${end}, remotes: '192.0.2.2, x'`), 'ports.wan.remotes', /a list of/],
  ['TTL', wan(`${end}, ttl: 0`), 'ports.wan.ttl', /from 1 to 255, got 0/],
  ['DSCP', wan(`${end}, dscp: 64`), 'ports.wan.dscp', /from 0 to 63, or inherit, got 64/],
  ['DSCP as text', wan(`${end}, dscp: copy`), 'ports.wan.dscp', /or inherit, got "copy"/],
  ['source ports', wan(`${end}, sourcePorts: 9-1`), 'ports.wan.sourcePorts', /range of ports/],
  [
    'underlay',
    wan(`${end}, underlay: nic`),
    'ports.wan.underlay',
    'must be kernel or the name of a port, got "nic"',
  ],
  [
    'a tunnel in a tunnel',
    wan(`${end}, underlay: wan`),
    'ports.wan.underlay',
    'must be a port that is not a tunnel, got "wan"',
  ],
  ['prefix', wan(`${end}, prefix: 33`), 'ports.wan.prefix', /from 0 to 32, got 33/],
  ['gateway', wan(`${end}, gateway: '::1'`), 'ports.wan.gateway', /same family as local/],
  [
    'a neighbour',
    wan(`${end}, neighbors: 192.0.2.2`),
    'ports.wan.neighbors',
    /neighbours, such as/,
  ],
  [
    'a neighbour of the other family',
    wan(`${end}, neighbors: ['::1=02:00:00:00:00:01']`),
    'ports.wan.neighbors',
    /same family as local/,
  ],
  ["a group's address", wan(`${end}, mac: '01:00:00:00:00:01'`), 'ports.wan.mac', /one station/],
  [
    'ring size below',
    web(`${good}, ringSize: 1`),
    'ports.web.ringSize',
    'must be a power of two from 2 to 16384, got 1',
  ],
  [
    'ring size above',
    web(`${good}, ringSize: 32768`),
    'ports.web.ringSize',
    'must be a power of two from 2 to 16384, got 32768',
  ],
  [
    'fraction',
    web(`${good}, ringSize: 2.5`),
    'ports.web.ringSize',
    'must be a power of two from 2 to 16384, got 2.5',
  ],
  [
    'id',
    web(`${good}, id: 4294967296`),
    'ports.web.id',
    'must be an integer from 0 to 4294967295, got 4294967296',
  ],
  [
    'number as text',
    web(`${good}, id: '7'`),
    'ports.web.id',
    'must be an integer from 0 to 4294967295, got "7"',
  ],
  [
    'mode ip without a station',
    web(`${good}, mode: ip, mac: '02:00:00:00:00:01'`),
    'ports.web.gateway',
    'must be given with mode ip, but is missing',
  ],
  [
    'a station without mode ip',
    web(`${good}, mac: '02:00:00:00:00:01'`),
    'ports.web.mac',
    'must not be given without mode ip, got "02:00:00:00:00:01"',
  ],
  ['MTU', web(`${good}, mtu: 67`), 'ports.web.mtu', 'must be an integer from 68 to 65517, got 67'],
  ['cache line', web(`${good}, cacheLine: 32`), 'ports.web.cacheLine', 'must be 64 or 128, got 32'],
  [
    'socket mode',
    web(`${good}, socketMode: '9'`),
    'ports.web.socketMode',
    'must be permission bits as octal text, for example "0660", got "9"',
  ],
  [
    'network namespace of a path',
    web(`socket: /run/web.sock, netns: blue`),
    'ports.web.netns',
    /^must not be given with a path/,
  ],
  [
    'unknown user',
    web(`${good}, allow: { uid: [nosuchuser] }`),
    'ports.web.allow.uid[0]',
    'must be a user of this host, by number or name, got "nosuchuser"',
  ],
  ['role', web(`${good}, role: boss`), 'ports.web.role', /^must be server or client.*"boss"$/],
  [
    'relative socket',
    web('socket: web.sock'),
    'ports.web.socket',
    'must be an absolute path or @name, at most 107 bytes, got "web.sock"',
  ],
  ['bare @', web("socket: '@'"), 'ports.web.socket', /^must be an absolute path or @name/],
  [
    'long socket',
    web(`socket: /${'a'.repeat(107)}`),
    'ports.web.socket',
    /^must be an absolute path or @name/,
  ],
  [
    'long socket in UTF-8',
    web(`socket: /${'é'.repeat(54)}`),
    'ports.web.socket',
    /^must be an absolute path or @name/,
  ],
  ['no socket', web('id: 1'), 'ports.web.socket', /but is missing$/],
  [
    'secret is not repeated',
    web(`${good}, secret: ${'s'.repeat(24)}`),
    'ports.web.secret',
    'must be text of at most 23 bytes',
  ],
  [
    'misspelt key',
    web(`${good}, ringsize: 512`),
    'ports.web.ringsize',
    'is not known, did you mean "ringSize"?',
  ],
  [
    'foreign key',
    web(`${good}, colour: red`),
    'ports.web.colour',
    /^is not known; known: kind, bridge, /,
  ],
  [
    'kind',
    'ports: { web: { kind: memfi, bridge: blue } }',
    'ports.web.kind',
    /^must be one of the known kinds: memif, .*got "memfi"$/,
  ],
  [
    'no kind',
    'ports: { web: { bridge: blue } }',
    'ports.web.kind',
    /^must be one of the known kinds: memif/,
  ],
  ['port is no mapping', 'ports: { web: 5 }', 'ports.web', /, got 5$/],
  [
    'name of a port',
    "ports: { 'a b': { kind: memif, bridge: blue, socket: '@x' } }",
    'ports.a b',
    /^must be a name of 1 to 63/,
  ],
  [
    'name of a bridge',
    web(`${good}`).replace('blue', "'-x'"),
    'ports.web.bridge',
    /^must be a name of 1 to 63/,
  ],
  ['polling', 'polling: fast', 'polling', 'must be one of: busy, adaptive, interrupt, got "fast"'],
  ['no workers', 'workers: 0', 'workers', /^must be an integer from 1 to \d+, got 0$/],
  [
    'CPU',
    'workers: [{ cpu: 4000 }]',
    'workers[0].cpu',
    /^must be a CPU of this machine \(.*\), got 4000$/,
  ],
  [
    'key of a worker',
    'workers: [{ pollin: busy }]',
    'workers[0].pollin',
    'is not known, did you mean "polling"?',
  ],
  [
    'ageing',
    'bridges: { blue: { ageing: -1 } }',
    'bridges.blue.ageing',
    /^must be an integer from 0 to \d+, got -1$/,
  ],
  [
    'limit of addresses',
    'bridges: { blue: { macLimit: 0 } }',
    'bridges.blue.macLimit',
    /^must be an integer from 1 to \d+, got 0$/,
  ],
  [
    'flag',
    'bridges: { blue: { learn: "yes" } }',
    'bridges.blue.learn',
    'must be true or false, got "yes"',
  ],
  [
    'static address',
    'bridges: { blue: { static: { zz: web } } }',
    'bridges.blue.static.zz',
    /^must be a MAC address/,
  ],
  [
    'static group',
    'bridges: { blue: { static: { 01:00:5e:00:00:01: web } } }',
    'bridges.blue.static.01:00:5e:00:00:01',
    /^must be the address of one station/,
  ],
  [
    'static, no such port',
    'bridges: { blue: { static: { 02:00:00:00:00:01: db } } }',
    'bridges.blue.static.02:00:00:00:00:01',
    'must be the name of a port, got "db"',
  ],
  [
    'static, other bridge',
    `bridges: { red: { static: { 02:00:00:00:00:01: web } } }\n${web(good)}`,
    'bridges.red.static.02:00:00:00:00:01',
    'must be a port of this bridge, got "web" of bridge "blue"',
  ],
  [
    'same socket and id',
    "ports:\n  a: { kind: memif, bridge: b, socket: '@x' }\n  b: { kind: memif, bridge: b, socket: '@x', id: 0 }",
    'ports.b',
    'must differ from ports.a, got the same socket @x with id 0 as server',
  ],
  ['top-level key', 'port: {}', 'port', 'is not known, did you mean "ports"?'],
  ['syntax', 'ports: {\n  a: [1\n', 'line 3, column 1', /./],
  ['key twice', 'polling: busy\npolling: busy', 'line 2, column 1', /unique/],
  ['not a mapping', '[1, 2]', '', /^must be a mapping/],
];

describe('one mistake', () => {
  test.each(table)('%s', (_, text, path, message) => {
    const mistakes = mistakesOf(text);
    expect(mistakes.map((mistake) => mistake.path)).toContain(path);
    const told = mistakes.find((mistake) => mistake.path === path)?.message;
    expect(told).toEqual(message instanceof RegExp ? expect.stringMatching(message) : message);
  });
});

test('all mistakes are told at once, each once', () => {
  const mistakes = mistakesOf(`
workers: [{ cpu: 4000 }]
polling: fast
bridges: { blue: { ageing: x, learn: 1 } }
ports:
  a: { kind: memif, bridge: blue, socket: '@a', queues: 0 }
  b: { kind: memif, bridge: blue, socket: '@b' }
  c: { kind: memif, bridge: blue, socket: '@b' }
`);
  expect(mistakes.map(({ path }) => path).sort()).toEqual([
    'bridges.blue.ageing',
    'bridges.blue.learn',
    'polling',
    'ports.a.queues',
    'ports.c',
    'workers[0].cpu',
  ]);
});

test('an empty text is a switch with one unpinned adaptive worker', () => {
  expect(parseConfiguration('')).toEqual({
    workers: [{ polling: 'adaptive' }],
    placement: 'spread',
    bridges: {},
    ports: {},
    mirrors: {},
  });
});

const noPolicy = {
  access: null,
  trunk: null,
  native: null,
  isolated: false,
  vepa: false,
  antiSpoof: null,
  rateLimit: null,
  storm: null,
};

test('defaults are filled in, and the bridge that a port names is made', () => {
  const { bridges, ports } = parseConfiguration(web(good));
  expect(bridges).toEqual({
    blue: { ageing: 300, macLimit: 65_536, learn: true, flood: true, vlans: false, static: {} },
  });
  expect(ports.web).toEqual({
    kind: 'memif',
    bridge: 'blue',
    macLimit: 0,
    ...noPolicy,
    socket: '@web',
    id: 0,
    role: 'server',
    secret: '',
    queues: 1,
    ringSize: 1024,
    bufferSize: 2048,
    hugePages: true,
    mode: 'ethernet',
    mtu: 65_517,
    socketMode: '0660',
    allow: { uid: [], gid: [] },
    trusted: false,
  });
});

test('the global polling is the default of each worker', () => {
  const { workers } = parseConfiguration(
    'polling: busy\nworkers: [{ cpu: 0 }, { polling: interrupt }]',
  );
  expect(workers).toEqual([{ cpu: 0, polling: 'busy' }, { polling: 'interrupt' }]);
});

test('empty sections and bridges mean defaults', () => {
  expect(parseConfiguration('bridges:\n  blue:\nports:\n').bridges.blue?.ageing).toBe(300);
});

test('several ids share a socket', () => {
  const text = web(`${good}, id: 1`).replace(
    'ports: {',
    `ports: { db: { kind: memif, bridge: blue, ${good} },`,
  );
  expect(mistakesOf(text)).toEqual([]);
});

test('a complete configuration checks as itself', () => {
  const complete = parseConfiguration(web(good));
  expect(checkConfiguration(complete)).toEqual(complete);
});

test('names of JavaScript are names like any other', () => {
  const { ports } = parseConfiguration(
    "ports: { constructor: { kind: memif, bridge: toString, socket: '@x' } }",
  );
  expect(Object.keys(ports)).toEqual(['constructor']);
});

test('a tunnel is completed with defaults; remotes may be text, as from the command line', () => {
  const { ports } = parseConfiguration(wan(`${end}, remotes: '192.0.2.2, 192.0.2.3', dscp: '46'`));
  expect(ports.wan).toEqual({
    kind: 'vxlan',
    bridge: 'blue',
    macLimit: 0,
    mtu: 65_517,
    ...noPolicy,
    vni: 1,
    local: '192.0.2.1',
    remotes: ['192.0.2.2', '192.0.2.3'],
    port: 4789,
    underlay: 'kernel',
    learn: false,
    splitHorizon: true,
    suppress: false,
    tellTooBig: false,
    ttl: 64,
    dscp: 46,
    df: true,
    vlan: 0,
    pathMtu: 1500,
    neighbors: [],
    sourcePorts: '49152-65535',
  });
});

test('a file is YAML or JSON', () => {
  const file = join(folder(), 'config.json');
  writeFileSync(
    file,
    JSON.stringify({ ports: { web: { kind: 'memif', bridge: 'b', socket: '@x' } } }),
  );
  expect(readConfiguration(file).ports.web).toMatchObject({ socket: '@x' });
});

test('a file that is not there is said to be', () => {
  expect(() => readConfiguration('/nowhere/x.yaml')).toThrow('/nowhere/x.yaml: no such file');
});
