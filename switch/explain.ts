/** Where a frame would go, and why: what native code decides in a dry run, in sentences, each with the counter it moves. */
import { z } from 'zod';
import { name } from '../ports/checks.js';
import type { Bridges } from './bridges.js';
import { parse } from './config/mistakes.js';
import { nativeCall, SwitchError } from './errors.js';
import { formatMac, macSchema, parseMac } from './mac.js';
import type { Macs } from './macs.js';
import { type NativeExplanation, type NativeSwitch, native } from './native.js';
import type { PortStatus, Ports } from './ports.js';

/** What to explain: a frame as it is, or any frame to an address. */
export interface Question {
  /** The destination. Give this or `frame`. */
  mac?: string | undefined;
  /** The frame's bytes from the destination on, in hexadecimal; blanks and colons do not matter. */
  frame?: string | undefined;
  /** Name of the port that it comes in from; needed with `frame`. Default: of each bridge that has the address, another port. */
  port?: string | undefined;
}

/** One thing that was looked at. */
export interface Step {
  says: string;
  /** The counter that such a frame moves, as it is now. */
  counter: { port: string; name: string; frames: bigint } | null;
}

export interface Explanation {
  port: string;
  destination: string;
  source: string;
  /** Bytes. */
  length: number;
  outcome: 'forwarded' | 'flooded' | 'dropped' | 'tunnels';
  /** Names of the ports that it leaves by. */
  to: string[];
  steps: Step[];
}

const hexError =
  'must be the bytes of a frame in hexadecimal, such as 0200000000020200000000018100';
const hex = z
  .string({ error: hexError })
  .max(4 * native.limits.maxFrame, { error: hexError })
  .transform((text) => text.replaceAll(/[\s:]/g, ''))
  .refine((text) => /^([0-9a-f]{2})+$/i.test(text), { error: hexError })
  .transform((text) => Buffer.from(text, 'hex'));

const questionSchema = z
  .strictObject({ mac: macSchema.optional(), frame: hex.optional(), port: name.optional() })
  .refine(({ mac, frame }) => (mac === undefined) !== (frame === undefined), {
    error: 'must name an address or a frame, one of both',
  })
  .refine(({ frame, port }) => frame === undefined || port !== undefined, {
    error: 'must name the port that the frame comes in from',
    path: ['port'],
  });

/** All there is to say a line from. */
interface Facts {
  found: NativeExplanation;
  port: PortStatus;
  learns: boolean;
  destination: string;
  source: string;
  length: number;
  nameOf(id: number): string;
  status(port: string): PortStatus;
}

/** In the order of a frame's way; what is decided anew has a line of its own here. */
const lines: ((facts: Facts) => Step[])[] = [arrival, ending, learning, looking, dropping, leaving];

export class Explainer {
  readonly #native: NativeSwitch;
  readonly #bridges: Bridges;
  readonly #ports: Ports;
  readonly #macs: Macs;

  constructor(owner: NativeSwitch, bridges: Bridges, ports: Ports, macs: Macs) {
    this.#native = owner;
    this.#bridges = bridges;
    this.#ports = ports;
    this.#macs = macs;
  }

  explain(question: Question): Explanation[] {
    const { mac, frame, port } = parse(questionSchema, question, ['why']);
    if (frame !== undefined && port !== undefined) {
      return [this.#one(port, frame)];
    }
    const to = mac as string;
    const from = port === undefined ? this.#portsFor(to) : [port];
    return from.map((each) => this.#one(each, this.#frameTo(to, each)));
  }

  /** Of each bridge that holds the address, or of each bridge, a port that it is not behind. */
  #portsFor(mac: string): string[] {
    const { macs } = this.#macs.list({ mac });
    const behind = new Map(macs.map(({ bridge, port }) => [bridge, port]));
    const bridges = behind.size > 0 ? [...behind.keys()] : this.#bridges.names();
    const status = new Map(this.#ports.all().map((it) => [it.name, it]));
    const chosen = bridges.flatMap((bridge): string[] => {
      const inside = this.#ports.inBridge(bridge).filter((it) => it !== behind.get(bridge));
      const up = inside.find((it) => status.get(it)?.link === 'up');
      return [up ?? inside[0] ?? behind.get(bridge) ?? []].flat();
    });
    if (chosen.length === 0) {
      throw new SwitchError('NOT_FOUND', 'there is no port that a frame could come in from', {
        hint: 'add ports first',
      });
    }
    return chosen;
  }

  /** As from somebody who is there, where anybody is. */
  #frameTo(mac: string, port: string): Buffer {
    const known = this.#macs.list({ port, limit: 1 }).macs[0]?.mac ?? '02:00:00:00:00:00';
    const frame = Buffer.alloc(60);
    frame.write(parseMac(mac).toString(16).padStart(12, '0'), 0, 'hex');
    frame.write(parseMac(known).toString(16).padStart(12, '0'), 6, 'hex');
    frame.writeUInt16BE(0x88b5, 12); // local experimental (IEEE Std 802)
    return frame;
  }

  #one(port: string, frame: Buffer): Explanation {
    const found = nativeCall('why', () => this.#native.explain(this.#ports.id(port), frame));
    const all = new Map(this.#ports.all().map((it) => [it.name, it]));
    const status = (other: string) => all.get(other) as PortStatus;
    const nameOf = (id: number) => this.#ports.nameOf(id) ?? 'a port that is gone';
    const [destination, source] = [address(frame, 0), address(frame, 6)];
    const { learn } = this.#bridges.status(this.#ports.bridgeOf(port), []);
    const given = { destination, source, length: frame.length };
    const facts = { found, port: status(port), learns: learn, nameOf, status, ...given };
    const to = found.ways.filter(({ drop }) => drop === null).map((way) => nameOf(way.port));
    const steps = lines.flatMap((line) => line(facts));
    return { port, ...given, outcome: outcomeOf(found, to), to, steps };
  }
}

function address(frame: Buffer, at: number): string {
  const bytes = frame.subarray(at, at + 6);
  return bytes.length < 6 ? '?' : formatMac(BigInt(bytes.readUIntBE(0, 6)));
}

function outcomeOf(found: NativeExplanation, to: string[]): Explanation['outcome'] {
  if (!found.drop && found.carriesTunnels && !found.bridged) {
    return 'tunnels';
  }
  return to.length === 0 ? 'dropped' : found.destination ? 'forwarded' : 'flooded';
}

function line(says: string, counter: Step['counter'] = null): Step[] {
  return [{ says, counter }];
}

function dropCounter(port: PortStatus, reason: string): Step['counter'] {
  return { port: port.name, name: `drops.${reason}`, frames: port.drops[reason] ?? 0n };
}

function helpFor(reason: string): string {
  const help = native.layout.dropReasons.find(({ name: known }) => known === reason)?.help;
  return `${reason}: ${help ?? ''}`;
}

function arrival({ port, destination, source, length }: Facts): Step[] {
  const frame = `${length} bytes from ${source} to ${destination}`;
  const down = port.link === 'up' ? '' : '; its link is down, so nothing comes in now';
  const says = `${frame} come in from port ${port.name} (${port.kind})${down}`;
  return line(says, { port: port.name, name: 'rx', frames: port.rx.frames });
}

function ending({ found, port }: Facts): Step[] {
  if (found.bridged || found.drop) {
    return [];
  }
  const says = `port ${port.name} carries tunnels: what is for one of them goes on inside it, all else ends here`;
  return line(says, { port: port.name, name: 'consumed', frames: port.consumed });
}

function isReflected({ found, port, nameOf, status }: Facts): boolean {
  const sender = found.source && status(nameOf(found.source.port));
  return !port.vepa && sender?.vepa === true;
}

function learning(facts: Facts): Step[] {
  const { found, port, learns, source, nameOf } = facts;
  const known = found.source && nameOf(found.source.port);
  if (!found.bridged || (found.drop && !found.source)) {
    return [];
  }
  if (known === port.name) {
    return line(`${source} is known to be behind ${port.name}`);
  }
  if (known !== null && isReflected(facts)) {
    return line(`${source} is behind the vepa port ${known}, and stays there: the frame came back`);
  }
  if (known !== null) {
    const says = found.source?.static
      ? `${source} is static behind ${known}, and stays there`
      : `${source} moves here from behind ${known}`;
    return line(says, { port: port.name, name: 'moves', frames: port.moves });
  }
  if (!learns) {
    return line(`${source} is not known, and bridge ${port.bridge} does not learn`);
  }
  const full = port.macLimit > 0 && port.macs >= port.macLimit;
  const says = full
    ? `${source} is not known, and stays so: ${port.name} has met its macLimit of ${port.macLimit}`
    : `${source} is new, and is learned behind ${port.name}`;
  const counter = { port: port.name, name: 'learnLimited', frames: port.learnLimited };
  return line(says, full ? counter : null);
}

function looking({ found, port, destination, nameOf, status }: Facts): Step[] {
  if (!found.bridged || (found.drop && !found.destination)) {
    return [];
  }
  if (found.destination) {
    const how = found.destination.static ? 'static' : 'learned';
    const behind = nameOf(found.destination.port);
    const round =
      port.vepa && status(behind)?.vepa ? `; a vepa port reaches it by its uplinks` : '';
    return line(`${destination} is behind ${behind} (${how})${round}`);
  }
  const group = (Number.parseInt(destination.slice(0, 2), 16) & 1) === 1;
  const why = group ? 'is a group address' : `is not known in bridge ${port.bridge}`;
  const copies = { port: port.name, name: 'copies', frames: port.copies };
  return line(`${destination} ${why}: flooded to ${found.ways.length} ports`, copies);
}

function dropping({ found, port }: Facts): Step[] {
  const { drop } = found;
  return drop === null ? [] : line(`dropped, ${helpFor(drop)}`, dropCounter(port, drop));
}

function leaving({ found, nameOf, status }: Facts): Step[] {
  return found.ways.flatMap(({ port: id, drop, remote }): Step[] => {
    const port = status(nameOf(id));
    if (!port) {
      return [];
    }
    if (drop !== null) {
      return line(`at port ${port.name} dropped, ${helpFor(drop)}`, dropCounter(port, drop));
    }
    const through = remote === '' ? '' : `, to the remote ${remote}`;
    const says = `leaves by port ${port.name} (${port.kind})${through}`;
    return line(says, { port: port.name, name: 'tx', frames: port.tx.frames });
  });
}
