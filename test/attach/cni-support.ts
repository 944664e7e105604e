/** A daemon that containers attach to, the plugin as runtimes start it, and a runtime's library around it. */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { hostEnd } from '../../ports/veth.js';
import { idOf } from '../../switch/attach/cni/request.js';
import type { Namespace } from '../devices/support.js';
import { Program, run, until } from '../interop/processes.js';
import { command, finished, folder, root } from '../switch/support.js';

export const plugins = '/usr/lib/cni';
export const plugin = join(root, 'build/Release/memswitch-cni');

/** Why these tests can't run here; undefined: they can. */
export function lacksCni(): string | undefined {
  if (process.getuid?.() !== 0) {
    return 'needs root (network namespaces)';
  }
  return existsSync(join(plugins, 'host-local')) && existsSync('/usr/bin/go')
    ? undefined
    : 'needs containernetworking-plugins, golang-go and golang-github-appc-cni-dev';
}

/** Built of the library's source as Debian has it, once. */
export function cnitool(): string {
  const cache = join(root, '.cache', 'cnitool');
  const [source, program] = [join(root, 'test/attach/cnitool/main.go'), join(cache, 'cnitool')];
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(cache, { recursive: true });
    const env = ['GO111MODULE=off', 'GOPATH=/usr/share/gocode', `GOCACHE=${join(cache, 'go')}`];
    run('env', ...env, 'go', 'build', '-o', program, source);
  }
  return program;
}

export interface CniResult {
  interfaces: { name: string; mac: string; mtu: number; socketPath: string; sandbox: string }[];
  ips: { address: string; interface: number }[];
}

export function pathOf(pod: Namespace): string {
  return `/run/netns/${pod.name}`;
}

export interface Answer {
  status: number | null;
  /** The result, or the error. */
  json: Record<string, unknown>;
  stderr: string;
}

export interface PluginCall {
  container?: string;
  netns?: string;
  interface?: string;
  args?: string;
  path?: string;
}

export class CniHost {
  readonly home = folder();
  readonly api = join(this.home, 'api.sock');
  readonly pods = join(this.home, 'pods');
  readonly leases = join(this.home, 'leases');
  readonly #config: string;
  daemon!: Program;
  /** Of veth pairs that calls may have made: names that nobody else's have. */
  readonly #hostEnds = new Set<string>();

  private constructor(ports: object) {
    this.#config = join(this.home, 'config.json');
    writeFileSync(this.#config, JSON.stringify({ ports }));
  }

  static async start(ports: object = {}): Promise<CniHost> {
    const host = new CniHost(ports);
    onTestFinished(async () => {
      await host.daemon.end();
    });
    await host.run();
    return host;
  }

  async run(): Promise<void> {
    const args = [command, 'run', '--api', this.api, '--config', this.#config];
    this.daemon = new Program(process.execPath, args);
    await until('memswitch ready', () => {
      if (!this.daemon.running) {
        throw new Error(this.daemon.output);
      }
      return this.daemon.output.includes('memswitch ready');
    });
  }

  async restart(signal: NodeJS.Signals): Promise<void> {
    await this.daemon.end(signal);
    await this.run();
  }

  /** A network with addresses from host-local. */
  conf(more: object = {}): Record<string, unknown> {
    return {
      cniVersion: '1.0.0',
      name: 'blue',
      type: 'memswitch-cni',
      bridge: 'blue',
      api: this.api,
      folder: this.pods,
      ipam: { type: 'host-local', dataDir: this.leases, subnet: '10.85.0.0/16' },
      ...more,
    };
  }

  async plugin(command: string, conf: object | string, call: PluginCall = {}): Promise<Answer> {
    const env = {
      PATH: process.env.PATH,
      CNI_COMMAND: command,
      CNI_CONTAINERID: call.container ?? '',
      CNI_NETNS: call.netns ?? '',
      CNI_IFNAME: call.interface ?? 'net1',
      CNI_ARGS: call.args ?? '',
      CNI_PATH: call.path ?? plugins,
      MEMSWITCH_API: this.api,
    };
    const { name } = typeof conf === 'string' ? {} : (conf as { name?: string });
    this.#hostEnds.add(hostEnd(idOf(`${name}`, env.CNI_CONTAINERID, env.CNI_IFNAME)));
    const child = spawn(plugin, { env });
    child.stdin.on('error', () => undefined);
    child.stdin.end(typeof conf === 'string' ? conf : JSON.stringify(conf));
    const { status, stdout, stderr } = await finished(child);
    return { status, json: stdout.trim() === '' ? {} : JSON.parse(stdout), stderr };
  }

  async get(path: string): Promise<unknown> {
    const sent = request({ socketPath: this.api, path });
    sent.end();
    const [answer] = await new Promise<[import('node:http').IncomingMessage]>((resolve, reject) => {
      sent.on('response', (response) => resolve([response]));
      sent.on('error', reject);
    });
    return JSON.parse(await text(answer));
  }

  async ports(): Promise<{ name: string; link: string; kind: string }[]> {
    return (await this.get('/v1/ports')) as { name: string; link: string; kind: string }[];
  }

  async linked(count: number): Promise<void> {
    await until(`${count} links up`, async () => {
      const up = (await this.ports()).filter(({ link }) => link === 'up');
      return up.length === count;
    });
  }

  /** All that containers may leave behind: ports, records, sockets, addresses. */
  async left(): Promise<Record<string, string[]>> {
    const names = (await this.ports()).map(({ name }) => name).filter((it) => /^cni-/.test(it));
    const records = (await this.get('/v1/attachments')) as { id: string }[];
    return {
      ports: names,
      attachments: records.map(({ id }) => id),
      state: below(`${this.api}.state`),
      sockets: below(this.pods),
      hostEnds: [...this.#hostEnds].filter((it) => existsSync(`/sys/class/net/${it}`)),
      leases: below(this.leases).filter((it) => /\d+\.\d+$/.test(it)),
    };
  }
}

export const nothing = {
  ports: [],
  attachments: [],
  state: [],
  sockets: [],
  hostEnds: [],
  leases: [],
};

function below(path: string): string[] {
  if (!existsSync(path)) {
    return [];
  }
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return entries.filter((it) => !it.isDirectory()).map((it) => join(it.parentPath, it.name));
}

type RuntimeCommand = 'add' | 'check' | 'del';

/** A runtime: libcni over a list of plugins. */
export class Runtime {
  readonly #env: string[];
  readonly #network: string;

  constructor(host: CniHost, name: string, list: object[], cniVersion = '1.0.0') {
    const path = join(host.home, `net-${name}`);
    mkdirSync(path);
    const bin = join(host.home, 'bin');
    mkdirSync(bin, { recursive: true });
    copyFileSync(plugin, join(bin, 'memswitch-cni'));
    const conflist = { cniVersion, name, plugins: list };
    writeFileSync(join(path, `${name}.conflist`), JSON.stringify(conflist));
    this.#network = name;
    this.#env = [
      `NETCONFPATH=${path}`,
      `CNI_PATH=${bin}:${plugins}`,
      `CACHE=${join(host.home, 'cache')}`,
    ];
  }

  call(command: RuntimeCommand, netns: string, ...env: string[]): string {
    return run(...this.#line(command, netns, env));
  }

  /** In a network namespace that is the node's: what the plugins do to their host, they do there. */
  callIn(node: Namespace, command: RuntimeCommand, netns: string, ...env: string[]): string {
    return node.exec(...this.#line(command, netns, env));
  }

  #line(command: RuntimeCommand, netns: string, env: string[]): [string, ...string[]] {
    const all = ['CNI_IFNAME=net1', ...this.#env, ...env];
    return ['env', ...all, cnitool(), command, this.#network, `/run/netns/${netns}`];
  }
}
