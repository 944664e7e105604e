/** Takes a pcapng stream apart, as far as the command needs: its blocks, and what a packet's block says. */

export const interfaceBlock = 1;
export const packetBlock = 6;

export interface Block {
  type: number;
  /** All of it, as it came. */
  bytes: Buffer;
}

export interface Packet {
  interface: number;
  /** Nanoseconds since 1970. */
  time: bigint;
  /** Of the frame; more than `data` has when it was cut. */
  length: number;
  data: Buffer;
  direction: 'rx' | 'tx';
  comment: string;
  /** Frames that the capture missed before this one. */
  lost: number;
}

/** Cuts what comes in pieces of any size into blocks. */
export class Blocks {
  #rest: Buffer = Buffer.alloc(0);

  take(piece: Buffer): Block[] {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, piece]) : piece;
    const blocks: Block[] = [];
    let at = 0;
    while (bytes.length - at >= 8) {
      const length = bytes.readUInt32LE(at + 4);
      if (length < 12 || length % 4 !== 0) {
        throw new Error(`a block of ${length} bytes in what should be a pcapng stream`);
      }
      if (bytes.length - at < length) {
        break;
      }
      blocks.push({ type: bytes.readUInt32LE(at), bytes: bytes.subarray(at, at + length) });
      at += length;
    }
    this.#rest = bytes.subarray(at);
    return blocks;
  }
}

/** Options of a block from an offset on, by code. */
function* options(bytes: Buffer, from: number): Generator<[code: number, value: Buffer]> {
  let at = from;
  while (at + 4 <= bytes.length - 4) {
    const [code, length] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2)];
    if (code === 0) {
      return;
    }
    yield [code, bytes.subarray(at + 4, at + 4 + length)];
    at += 4 + Math.ceil(length / 4) * 4;
  }
}

export function readPacket({ bytes }: Block): Packet {
  const captured = bytes.readUInt32LE(20);
  const packet: Packet = {
    interface: bytes.readUInt32LE(8),
    time: (BigInt(bytes.readUInt32LE(12)) << 32n) | BigInt(bytes.readUInt32LE(16)),
    length: bytes.readUInt32LE(24),
    data: bytes.subarray(28, 28 + captured),
    direction: 'rx',
    comment: '',
    lost: 0,
  };
  for (const [code, value] of options(bytes, 28 + Math.ceil(captured / 4) * 4)) {
    if (code === 1) {
      packet.comment = value.toString();
    } else if (code === 2) {
      packet.direction = (value.readUInt32LE(0) & 3) === 2 ? 'tx' : 'rx';
    } else if (code === 4) {
      packet.lost = Number(value.readBigUInt64LE(0));
    }
  }
  return packet;
}

/** Name of the interface that a block describes. */
export function interfaceName({ bytes }: Block): string {
  for (const [code, value] of options(bytes, 16)) {
    if (code === 2) {
      return value.toString();
    }
  }
  return '';
}
