/**
 * Docker's IpamDriver: pools of addresses, which survive a restart of either side. The engine is not asked to repeat itself
 * (RequiresRequestReplay): what was given is written down here.
 */
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { SwitchError } from '../../errors.js';
import { Store } from '../store.js';
import type { Handler } from './server.js';

interface Pool {
  pool: string;
  /** What addresses are chosen from. */
  range: string;
  used: string[];
  /** The one given last: another is chosen after it, so that neighbours' caches have time to forget. */
  last: string;
}

interface PoolRequest {
  Pool?: string;
  SubPool?: string;
  V6?: boolean;
}

interface AddressRequest {
  PoolID: string;
  Address?: string;
  Options?: Record<string, string> | null;
}

/** Where the engine names no subnet: 256 networks of 254 addresses. */
const usual = (n: number) => `10.211.${n}.0/24`;

export class Ipam {
  readonly #store: Store<Pool>;
  readonly #pools: Map<string, Pool>;

  constructor(folder: string) {
    this.#store = new Store(join(folder, 'pools'));
    const damaged = (path: string, { message }: Error) =>
      process.emitWarning(`${path} is damaged and was passed over: ${message}`);
    this.#pools = this.#store.all(damaged);
  }

  readonly handlers: Record<string, Handler> = {
    '/IpamDriver.GetCapabilities': () => ({
      RequiresMACAddress: false,
      RequiresRequestReplay: false,
    }),
    '/IpamDriver.GetDefaultAddressSpaces': () => ({
      LocalDefaultAddressSpace: 'memswitch',
      GlobalDefaultAddressSpace: 'memswitch',
    }),
    '/IpamDriver.RequestPool': (body: PoolRequest) => this.requestPool(body),
    '/IpamDriver.ReleasePool': ({ PoolID }: { PoolID: string }) => this.releasePool(PoolID),
    '/IpamDriver.RequestAddress': (body: AddressRequest) => this.requestAddress(body),
    '/IpamDriver.ReleaseAddress': ({ Address }: { Address: string }) => this.release(Address),
  };

  requestPool({ Pool: asked, SubPool, V6 = false }: PoolRequest): object {
    const pool = asked ? Subnet.parse(asked).text : this.#free(V6);
    const twin = [...this.#pools.values()].find((it) => Subnet.parse(it.pool).meets(pool));
    if (twin) {
      throw new SwitchError('EXISTS', `the subnet ${pool} meets ${twin.pool} of another network`);
    }
    const key = pool.replaceAll(/[:/]/g, '_');
    this.#keep(key, { pool, range: SubPool || pool, used: [], last: '' });
    return { PoolID: key, Pool: pool, Data: {} };
  }

  releasePool(key: string): void {
    this.#pools.delete(key);
    this.#store.remove(key);
  }

  requestAddress({ PoolID: key, Address: asked, Options }: AddressRequest): object {
    const pool = this.#pools.get(key);
    if (!pool) {
      throw new SwitchError('NOT_FOUND', `no pool of addresses ${key}`);
    }
    const subnet = Subnet.parse(pool.pool);
    const isGateway = Options?.RequestAddressType === 'com.docker.network.gateway';
    const address = asked || this.#next(pool, isGateway);
    if (!subnet.has(address)) {
      throw new SwitchError('INVALID', `${address} is not in ${pool.pool}`);
    }
    if (pool.used.includes(address)) {
      throw new SwitchError('IN_USE', `the address ${address} is taken`);
    }
    const last = asked || isGateway ? pool.last : address;
    this.#keep(key, { ...pool, used: [...pool.used, address], last });
    return { Address: `${address}/${subnet.length}`, Data: {} };
  }

  /** Whichever pool it is of: they do not meet. One that is free is no error. */
  release(address: string): void {
    const bare = address.split('/')[0] ?? '';
    for (const [key, pool] of this.#pools) {
      if (pool.used.includes(bare)) {
        this.#keep(key, { ...pool, used: pool.used.filter((it) => it !== bare) });
      }
    }
  }

  #keep(key: string, pool: Pool): void {
    this.#store.put(key, pool);
    this.#pools.set(key, pool);
  }

  #free(isV6: boolean): string {
    if (isV6) {
      throw new SwitchError('INVALID', 'name a subnet for IPv6 with --subnet');
    }
    const pools = [...this.#pools.values()].map(({ pool }) => Subnet.parse(pool));
    for (let n = 0; n < 256; ++n) {
      if (!pools.some((it) => it.meets(usual(n)))) {
        return usual(n);
      }
    }
    throw new SwitchError('LIMIT', 'all usual subnets are taken; name one with --subnet');
  }

  #next({ range, pool, used, last }: Pool, isFirst: boolean): string {
    const subnet = Subnet.parse(range);
    const taken = new Set(used);
    const whole = Subnet.parse(pool);
    const start = !isFirst && subnet.has(last) ? toNumber(last) + 1n : subnet.first;
    for (let i = 0n; i < subnet.size; ++i) {
      const number = subnet.first + ((start - subnet.first + i) % subnet.size);
      const address = toText(number, subnet.isV6);
      if (!taken.has(address) && !whole.isEdge(number)) {
        return address;
      }
    }
    throw new SwitchError('LIMIT', `no address is free in ${range}`);
  }
}

/** A range of addresses as numbers. */
class Subnet {
  readonly first: bigint;
  readonly length: number;
  readonly isV6: boolean;

  private constructor(first: bigint, length: number, isV6: boolean) {
    this.first = first;
    this.length = length;
    this.isV6 = isV6;
  }

  static parse(text: string): Subnet {
    const match = /^([0-9a-f:.]+)\/(\d{1,3})$/i.exec(text);
    const [, address = '', bits = ''] = match ?? [];
    const isV6 = isIPv6(address);
    const [length, most] = [Number(bits), isV6 ? 128 : 32];
    if (!match || length > most) {
      throw new SwitchError('INVALID', `${text} is no subnet`);
    }
    const size = 1n << BigInt(most - length);
    return new Subnet((toNumber(address) / size) * size, length, isV6);
  }

  get size(): bigint {
    return 1n << BigInt((this.isV6 ? 128 : 32) - this.length);
  }

  get text(): string {
    return `${toText(this.first, this.isV6)}/${this.length}`;
  }

  has(address: string): boolean {
    if (address === '' || isIPv6(address) !== this.isV6) {
      return false;
    }
    const number = toNumber(address);
    return number >= this.first && number < this.first + this.size;
  }

  meets(text: string): boolean {
    const other = Subnet.parse(text);
    return (
      other.isV6 === this.isV6 &&
      other.first < this.first + this.size &&
      this.first < other.first + other.size
    );
  }

  /** The network's own address, and that of its broadcast: nobody's. */
  isEdge(number: bigint): boolean {
    return this.size > 2n && (number === this.first || number === this.first + this.size - 1n);
  }
}

function toNumber(address: string): bigint {
  if (!isIPv6(address)) {
    return address.split('.').reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  }
  const [head = '', tail] = address.split('::');
  const words = (part: string) => (part === '' ? [] : part.split(':'));
  const [left, right] = [words(head), words(tail ?? '')];
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const all = [...left, ...new Array<string>(zeros).fill('0'), ...right];
  return all.reduce((sum, word) => sum * 65_536n + BigInt(`0x${word}`), 0n);
}

function toText(number: bigint, isV6: boolean): string {
  if (!isV6) {
    return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join('.');
  }
  const words = Array.from({ length: 8 }, (_, i) => (number >> BigInt(112 - 16 * i)) & 65_535n);
  return words
    .map((word) => word.toString(16))
    .join(':')
    .replace(/(^|:)0(:0)+(:|$)/, '::');
}
