/**
 * Docker's NetworkDriver: a network is a bridge, an endpoint is a port. The engine tells a network once and never again, and
 * after a violent death it tells nothing of the endpoints that went with it: networks are written down here, endpoints are
 * attachments, and those whose sandbox is gone are let go.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { SwitchError } from '../../errors.js';
import type { Switch } from '../../switch.js';
import {
  type AttachmentDriver,
  type AttachmentKind,
  type AttachmentMode,
  type AttachmentRequest,
  type AttachmentStatus,
  attachmentDrivers,
  attachmentModes,
} from '../attachment.js';
import type { Attachments } from '../attachments.js';
import { Store } from '../store.js';
import type { Handler } from './server.js';

interface IpData {
  Gateway?: string;
}

interface CreateNetwork {
  NetworkID: string;
  Options?: Record<string, unknown> & {
    'com.docker.network.generic'?: Record<string, string>;
    'com.docker.network.internal'?: boolean;
  };
  IPv4Data?: IpData[];
  IPv6Data?: IpData[];
}

interface EndpointCall {
  NetworkID: string;
  EndpointID: string;
}

interface CreateEndpoint extends EndpointCall {
  Interface?: { Address?: string; AddressIPv6?: string; MacAddress?: string } | null;
  Options?: Record<string, unknown> | null;
}

interface Join extends EndpointCall {
  SandboxKey: string;
}

/** What is kept of a network. */
interface Network {
  bridge: string;
  /** As given with `-o`. */
  options: Record<string, string>;
  isInternal: boolean;
  gateway: string;
  gateway6: string;
}

const usualFolder = '/run/memswitch/docker';
const lookMs = 5_000;
/** An endpoint without a sandbox for so long is left over from an engine that died: it joins first, and makes the sandbox later. */
const longestJoinMs = 60_000;

export class NetworkDriver {
  readonly #sw: Switch;
  readonly #attachments: Attachments;
  readonly #release: (address: string) => void;
  readonly #store: Store<Network>;
  readonly #networks: Map<string, Network>;
  readonly #made = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  /** @param release gives an address back, of an endpoint that the engine has forgotten. */
  constructor(
    sw: Switch,
    attachments: Attachments,
    folder: string,
    release: (address: string) => void,
  ) {
    this.#sw = sw;
    this.#attachments = attachments;
    this.#release = release;
    this.#store = new Store(join(folder, 'networks'));
    const damaged = (path: string, { message }: Error) =>
      process.emitWarning(`${path} is damaged and was passed over: ${message}`);
    this.#networks = this.#store.all(damaged);
    this.#timer = setInterval(() => void this.look(), lookMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  readonly handlers: Record<string, Handler> = {
    '/Plugin.Activate': async () => {
      await this.look();
      return { Implements: ['NetworkDriver', 'IpamDriver'] };
    },
    '/NetworkDriver.GetCapabilities': () => ({ Scope: 'local', ConnectivityScope: 'local' }),
    '/NetworkDriver.CreateNetwork': (body: CreateNetwork) => this.createNetwork(body),
    '/NetworkDriver.DeleteNetwork': (body: CreateNetwork) => this.deleteNetwork(body),
    '/NetworkDriver.CreateEndpoint': (body: CreateEndpoint) => this.createEndpoint(body),
    '/NetworkDriver.DeleteEndpoint': (body: EndpointCall) => this.#attachments.remove(idOf(body)),
    '/NetworkDriver.EndpointOperInfo': (body: EndpointCall) => this.operInfo(body),
    '/NetworkDriver.Join': (body: Join) => this.join(body),
    '/NetworkDriver.Leave': (body: EndpointCall) =>
      this.#attachments.amend(idOf(body), { sandbox: undefined }),
    '/NetworkDriver.DiscoverNew': () => ({}),
    '/NetworkDriver.DiscoverDelete': () => ({}),
    '/NetworkDriver.ProgramExternalConnectivity': () => ({}),
    '/NetworkDriver.RevokeExternalConnectivity': () => ({}),
    '/NetworkDriver.AllocateNetwork': () => ({}),
    '/NetworkDriver.FreeNetwork': () => ({}),
  };

  async createNetwork({ NetworkID: id, Options, IPv4Data, IPv6Data }: CreateNetwork) {
    const options = Options?.['com.docker.network.generic'] ?? {};
    for (const key of Object.keys(options)) {
      if (key.startsWith('memswitch.') && !networkOptions.includes(key)) {
        const hint = `known: ${networkOptions.join(', ')}`;
        throw new SwitchError('INVALID', `${key}: unknown option`, { hint });
      }
    }
    const network: Network = {
      bridge: options['memswitch.bridge'] ?? usualBridge(id),
      options,
      isInternal: Options?.['com.docker.network.internal'] === true,
      gateway: bare(IPv4Data?.[0]?.Gateway),
      gateway6: bare(IPv6Data?.[0]?.Gateway),
    };
    const option = optionOf(network, {});
    kindOf(option);
    driverOf(option);
    modeOf(option('mode') ?? 'bridge');
    if (!this.#sw.bridges().some(({ name }) => name === network.bridge)) {
      await this.#sw.addBridge(network.bridge);
    }
    this.#store.put(id, network);
    this.#networks.set(id, network);
  }

  /** The bridge goes with its last port and network, if it was made for this one alone. */
  async deleteNetwork({ NetworkID: id }: CreateNetwork): Promise<void> {
    const bridge = this.#networks.get(id)?.bridge;
    this.#networks.delete(id);
    this.#store.remove(id);
    const found = this.#sw.bridges().find(({ name }) => name === bridge);
    if (found && found.ports.length === 0 && found.name === usualBridge(id)) {
      await this.#sw.removeBridge(found.name);
    }
  }

  async createEndpoint(call: CreateEndpoint): Promise<object> {
    const { MacAddress: mac = '' } = call.Interface ?? {};
    const made = await this.#attachments.put(idOf(call), this.#request(call));
    this.#made.set(made.id, performance.now());
    return { Interface: mac === '' ? { MacAddress: made.mac } : {} };
  }

  async join(call: Join): Promise<object> {
    const { isInternal, gateway, gateway6 } = this.#network(call.NetworkID);
    const made = await this.#attachments.amend(idOf(call), { sandbox: call.SandboxKey });
    const isKernel = made.kind === 'kernel';
    return {
      ...(isKernel && { InterfaceName: { SrcName: made.interface, DstPrefix: 'eth' } }),
      ...(isKernel && !isInternal && { Gateway: gateway, GatewayIPv6: gateway6 }),
      DisableGatewayService: true,
    };
  }

  operInfo(call: EndpointCall): object {
    const made = this.#attachments.find(idOf(call));
    return { Value: made ? tellOf(made) : {} };
  }

  /** Lets go of endpoints that the engine has forgotten. */
  async look(): Promise<void> {
    for (const { id, network, sandbox, addresses = [] } of this.#attachments.all()) {
      const made = this.#made.get(id);
      const isOld = made === undefined || performance.now() - made > longestJoinMs;
      const hasSandbox = sandbox !== undefined && existsSync(sandbox);
      if (network.startsWith(prefix) && isOld && !hasSandbox) {
        await this.#attachments.remove(id);
        addresses.forEach(this.#release);
      }
    }
  }

  #network(id: string): Network {
    const isInternal = false;
    const unknown = { bridge: usualBridge(id), options: {}, isInternal, gateway: '', gateway6: '' };
    return this.#networks.get(id) ?? unknown;
  }

  #request(call: CreateEndpoint): AttachmentRequest {
    const { NetworkID, EndpointID, Interface, Options } = call;
    const network = this.#network(NetworkID);
    const option = optionOf(network, Options ?? {});
    const kind = kindOf(option);
    const driver = driverOf(option);
    const { Address, AddressIPv6, MacAddress } = Interface ?? {};
    const mtu = option('mtu') ?? network.options['com.docker.network.driver.mtu'];
    const [owner, group, queues, mode] = ['owner', 'group', 'queues', 'mode'].map(option);
    return {
      network: prefix + NetworkID,
      container: EndpointID,
      interface: `msw${digest(EndpointID).slice(0, 10)}`,
      kind,
      ...(kind === 'kernel' && driver !== undefined && { driver }),
      bridge: network.bridge,
      addresses: [Address, AddressIPv6].filter((it): it is string => !!it),
      ...(MacAddress && { mac: MacAddress }),
      ...(mtu !== undefined && { mtu: whole(mtu, 'mtu') }),
      ...(kind === 'memif' && { socket: socketOf(EndpointID, network, option) }),
      ...(owner !== undefined && { owner: whole(owner, 'owner') }),
      ...(group !== undefined && { group: whole(group, 'group') }),
      ...(queues !== undefined && { queues: whole(queues, 'queues') }),
      ...(mode !== undefined && { mode: modeOf(mode) }),
    };
  }
}

const prefix = 'docker:';

const networkOptions = [
  'bridge',
  'kind',
  'driver',
  'mtu',
  'folder',
  'owner',
  'group',
  'queues',
  'mode',
].map((name) => `memswitch.${name}`);

type OptionOf = (name: string) => string | undefined;

/** An endpoint's own (`--driver-opt`), else its network's (`-o`). */
function optionOf({ options }: Network, own: Record<string, unknown>): OptionOf {
  return (name) => {
    const given = own[`memswitch.${name}`] ?? options[`memswitch.${name}`];
    return given === undefined ? undefined : String(given);
  };
}

function socketOf(endpoint: string, { bridge }: Network, option: OptionOf): string {
  const folder = option('dir') ?? endpoint.slice(0, 12);
  const base = option('folder') ?? usualFolder;
  return join(
    isAbsolute(folder) ? folder : join(base, folder),
    `${option('socket') ?? bridge}.sock`,
  );
}

/** A driver is one of the kernel's; but an endpoint of a network of them may be of kind memif. */
function kindOf(option: OptionOf) {
  const kind = option('kind') ?? (driverOf(option) === undefined ? 'memif' : 'kernel');
  if (kind !== 'memif' && kind !== 'kernel') {
    throw new SwitchError('INVALID', `memswitch.kind: must be memif or kernel, got ${kind}`);
  }
  return kind satisfies AttachmentKind;
}

function driverOf(option: OptionOf): AttachmentDriver | undefined {
  const text = option('driver');
  const found = attachmentDrivers.find((it) => it === text);
  if (text !== undefined && !found) {
    const known = attachmentDrivers.join(' or ');
    throw new SwitchError('INVALID', `memswitch.driver: must be ${known}, got ${text}`);
  }
  return found;
}

function modeOf(text: string): AttachmentMode {
  const found = attachmentModes.find((it) => it === text);
  if (!found) {
    const known = attachmentModes.join(', ');
    throw new SwitchError('INVALID', `memswitch.mode: must be one of ${known}, got ${text}`);
  }
  return found;
}

function whole(text: string, what: string): number {
  if (!/^\d+$/.test(text)) {
    throw new SwitchError('INVALID', `memswitch.${what}: must be a number, got ${text}`);
  }
  return Number(text);
}

/** What the engine can tell of an endpoint. */
function tellOf({ portName, kind, bridge, socket, file, mac, mtu, state }: AttachmentStatus) {
  const told = { port: portName, kind, bridge, socket, file, mac, mtu: `${mtu}`, state };
  const entries = Object.entries(told).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.map(([key, value]) => [`memswitch.${key}`, value]));
}

function idOf({ EndpointID }: EndpointCall): string {
  return `docker-${EndpointID.slice(0, 32)}`;
}

function usualBridge(network: string): string {
  return `docker-${network.slice(0, 12)}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function bare(address = ''): string {
  return address.split('/')[0] ?? '';
}
