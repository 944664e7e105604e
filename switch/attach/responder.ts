/**
 * What others on an Ethernet expect of every station: that it answers for its address. A program on a memif socket has no kernel
 * that would do it.
 */
import { z } from 'zod';
import { parse } from '../config/mistakes.js';
import { parseMac, stationSchema } from '../mac.js';

export interface ResponderOptions {
  /** The station's address, as `02:00:00:00:00:07`. */
  mac: string;
  /** Its IPv4 address. */
  ip: string;
}

const schema = z.strictObject({
  mac: stationSchema,
  ip: z.ipv4({ error: 'must be an IPv4 address' }),
});

const arp = 0x0806;
const ipv4 = 0x0800;
const ethernetBytes = 14;
const arpBytes = 28;
const macBytes = 6;

/** Answers ARP (RFC 826) and ping (RFC 792) for one address. */
export class Responder {
  readonly #mac = Buffer.alloc(macBytes);
  readonly #ip: Buffer;

  /** Throws INVALID where one of both is no address. */
  constructor(options: ResponderOptions) {
    const { mac, ip } = parse(schema, options);
    this.#mac.writeUIntBE(Number(parseMac(mac)), 0, macBytes);
    this.#ip = Buffer.from(ip.split('.').map(Number));
  }

  /** Turns a question into its answer, in place; true: send it back. All else is left as it is. */
  answer(frame: Buffer): boolean {
    const type = frame.length < ethernetBytes ? 0 : frame.readUInt16BE(12);
    const isAnswered =
      type === arp ? this.#answerArp(frame) : type === ipv4 ? this.#answerPing(frame) : false;
    if (isAnswered) {
      frame.copyWithin(0, macBytes, 2 * macBytes);
      this.#mac.copy(frame, macBytes);
    }
    return isAnswered;
  }

  /** Of Ethernet and IPv4: hardware type 1, lengths 6 and 4; operation 1 asks, 2 answers. */
  #answerArp(frame: Buffer): boolean {
    if (frame.length < ethernetBytes + arpBytes || !frame.subarray(14, 22).equals(asks)) {
      return false;
    }
    if (!frame.subarray(38, 42).equals(this.#ip)) {
      return false;
    }
    frame[21] = 2;
    frame.copyWithin(32, 22, 32); // the asker becomes the target
    this.#mac.copy(frame, 22);
    this.#ip.copy(frame, 28);
    return true;
  }

  /** Whole datagrams only: of those in fragments the kernel of the asker makes another question, or none. */
  #answerPing(frame: Buffer): boolean {
    const icmp = ethernetBytes + 4 * ((frame[14] ?? 0) & 0xf);
    const isEcho =
      (frame[14] ?? 0) >> 4 === 4 &&
      icmp >= ethernetBytes + 20 &&
      frame.length >= icmp + 8 &&
      (frame.readUInt16BE(20) & 0x3fff) === 0 && // neither more fragments nor an offset
      frame[23] === 1 &&
      frame[icmp] === 8 &&
      frame.subarray(30, 34).equals(this.#ip);
    if (!isEcho) {
      return false;
    }
    frame.copyWithin(30, 26, 30);
    this.#ip.copy(frame, 26);
    frame[icmp] = 0;
    const sum = frame.readUInt16BE(icmp + 2) + 0x800; // RFC 1624: only the type has changed
    frame.writeUInt16BE((sum & 0xffff) + (sum >> 16), icmp + 2);
    return true;
  }
}

const asks = Buffer.from([0, 1, 8, 0, 6, 4, 0, 1]);
