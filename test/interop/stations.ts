/**
 * Two stations, left and right, that exchange frames and compare each byte of them. One testpmd is both: it sends what
 * capture files hold to a memif port of the switch, and writes what comes from there to others.
 */
import { join } from 'node:path';
import { readCapture, writeCapture } from './captures.js';
import { memif, testpmd } from './peers.js';
import { type Program, until } from './processes.js';

const sides = ['left', 'right'] as const;
type Side = (typeof sides)[number];

/** Around what a snapshot, a cache line, an Ethernet frame, and one to five buffers of 2,048 bytes hold. */
const sizes = [
  60, 61, 63, 64, 65, 127, 128, 129, 255, 256, 1514, 1518, 2047, 2048, 2049, 4096, 4097, 8192, 8999,
  9000,
];
const buffers = sizes.reduce((sum, size) => sum + Math.ceil(size / 2048), 0);
/** Of all queues together fewer buffers than one ring has: a full ring can be nobody's excuse. */
const rounds = (queues: number) => Math.floor(1023 / buffers / queues);

/** The n-th frame of a queue: addresses, whose it is, then bytes that are no other frame's. */
function frame(from: Side, queue: number, n: number, salt: number): Buffer {
  const bytes = Buffer.alloc(sizes[n % sizes.length] ?? 0);
  let word = (salt << 24) ^ (queue << 16) ^ n;
  for (let at = 0; at < bytes.length; ++at) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = word >>> 24;
  }
  const [to, source] = from === 'left' ? [2, 1] : [1, 2];
  // The EtherType is one for experiments (IEEE Std 802, local experimental 1).
  bytes.set([2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, source, 0x88, 0xb5, queue]);
  bytes.writeUInt16BE(n, 15);
  return bytes;
}

const queueOf = (bytes: Buffer) => bytes[14];
const describe = (bytes: Buffer | undefined) =>
  bytes ? `frame ${bytes.readUInt16BE(15)} of ${bytes.length} bytes` : 'nothing';

/** Throws unless the frames are those that were sent, byte for byte and in order. */
function compare(what: string, got: Buffer[], sent: Buffer[]): void {
  for (let n = 0; n < Math.max(got.length, sent.length); ++n) {
    const [is, should] = [got[n], sent[n]];
    if (!is || !should || !is.equals(should)) {
      const at = is && should ? is.findIndex((byte, i) => byte !== should[i]) : -1;
      const where = at < 0 ? '' : `, other from byte ${at} on`;
      throw new Error(`${what}: sent ${describe(should)}, got ${describe(is)}${where}`);
    }
  }
}

/** What testpmd says when its four ports are so. */
const allPorts = (link: 'up' | 'down') => new RegExp(`(net_\\w+ +${link} .*\\n.*){4}`);

export class Stations {
  readonly #folder: string;
  readonly #queues: number[];
  readonly #program: Program;
  #salt = 0;

  /** `sockets`: the ports they attach to. */
  constructor(folder: string, sockets: Record<Side, string>, queues: number) {
    this.#folder = folder;
    this.#queues = [...Array(queues).keys()];
    this.#write(); // files must be there when testpmd starts
    this.#program = testpmd({
      cpu: 0,
      mode: 'io',
      interactive: true,
      vdevs: sides.flatMap((side, number) => [
        memif({ number, role: 'client', socket: sockets[side] }),
        `net_pcap${number},${this.#files(side)}`,
      ]),
      // testpmd would begin with throwing away what it finds, the frames of the files too.
      extra: ['--no-flush-rx', `--rxq=${queues}`, `--txq=${queues}`],
    });
  }

  /**
   * Attaches anew, sends frames of all sizes on all queues in both directions at once, and waits for them. `ready` is
   * awaited before the first. Resolves to how many came, if each came as it was and, within its queue, in order.
   */
  async exchange(ready: () => Promise<void>): Promise<number> {
    this.#program.say('port stop all');
    await this.#program.answer('show port summary all', allPorts('down'));
    const sent = this.#write();
    this.#program.say('port start all');
    await this.#program.answer('show port summary all', allPorts('up'));
    await ready();
    // A net_memif client offers buffers when it first looks for frames: it looks once before anybody sends.
    this.#program.say('set portlist 0,2', 'set fwd rxonly', 'start', 'stop');
    this.#program.say('set portlist 0,1,2,3', 'set fwd io', 'start');
    const arrived = () => sides.map((side) => this.#got(side).length);
    const total = sent.left.length;
    try {
      await until('all frames', () => arrived().every((count) => count >= total));
      await this.#program.answer('stop', /Packet forwarding not started/);
    } catch {
      throw new Error(`of ${total} frames there came left and right ${arrived().join(' and ')}`);
    }
    for (const queue of this.#queues) {
      const of = (frames: Buffer[]) => frames.filter((bytes) => queueOf(bytes) === queue);
      compare(`left to right, queue ${queue}`, of(this.#got('right')), of(sent.left));
      compare(`right to left, queue ${queue}`, of(this.#got('left')), of(sent.right));
    }
    return 2 * total;
  }

  /** By which of a side's queues frames came last time. */
  queuesUsed(side: Side): number[] {
    return this.#queues.filter((queue) => readCapture(this.#file(side, queue, 'got')).length > 0);
  }

  /** Writes the files with the next frames to send. */
  #write(): Record<Side, Buffer[]> {
    this.#salt = (this.#salt + 1) % 256;
    const frames = (side: Side) =>
      this.#queues.flatMap((queue) => {
        const count = rounds(this.#queues.length) * sizes.length;
        const mine = [...Array(count).keys()].map((n) => frame(side, queue, n, this.#salt));
        writeCapture(this.#file(side, queue, 'sent'), mine);
        return mine;
      });
    return { left: frames('left'), right: frames('right') };
  }

  #got(side: Side): Buffer[] {
    return this.#queues.flatMap((queue) => readCapture(this.#file(side, queue, 'got')));
  }

  #files(side: Side): string {
    const pair = (queue: number) =>
      `rx_pcap=${this.#file(side, queue, 'sent')},tx_pcap=${this.#file(side, queue, 'got')}`;
    return this.#queues.map(pair).join(',');
  }

  #file(side: Side, queue: number, what: 'sent' | 'got'): string {
    return join(this.#folder, `${side}-${queue}.${what}`);
  }
}
