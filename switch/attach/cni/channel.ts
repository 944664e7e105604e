/**
 * Messages between the plugin, which is a program of its own (native/cni), and the daemon. A message is a list of texts: its length
 * in bytes (32 bits, little endian), then each text with a NUL at its end.
 */
import type { Duplex } from 'node:stream';

const lengthBytes = 4;
const longestMessage = 16 * 1024 * 1024;

export class Channel {
  readonly #socket: Duplex;
  readonly #messages: AsyncGenerator<string[], void, void>;

  constructor(socket: Duplex) {
    this.#socket = socket;
    this.#messages = messagesOf(socket);
  }

  /** Throws when there will be none: the caller has died. */
  async receive(): Promise<string[]> {
    const { value } = await this.#messages.next();
    if (!value) {
      throw new Error('the plugin has ended before its call');
    }
    return value;
  }

  send(...texts: string[]): void {
    // A NUL would end the text; JSON has none, and no path either.
    const body = Buffer.from(texts.map((text) => `${text.replaceAll('\0', '')}\0`).join(''));
    const length = Buffer.alloc(lengthBytes);
    length.writeUInt32LE(body.length);
    this.#socket.write(Buffer.concat([length, body]));
  }

  /** When all is sent. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

async function* messagesOf(socket: Duplex): AsyncGenerator<string[], void, void> {
  let bytes: Buffer = Buffer.alloc(0);
  for await (const part of socket) {
    bytes = Buffer.concat([bytes, part as Buffer]);
    for (let end = endOf(bytes); end !== undefined; end = endOf(bytes)) {
      const texts = bytes.toString('utf8', lengthBytes, end).split('\0');
      bytes = bytes.subarray(end);
      yield texts.slice(0, -1); // each has its NUL
    }
  }
}

/** Where the first message ends; undefined: not yet. */
function endOf(bytes: Buffer): number | undefined {
  if (bytes.length < lengthBytes) {
    return undefined;
  }
  const end = lengthBytes + bytes.readUInt32LE();
  if (end > longestMessage) {
    throw new Error(`a message of ${end} bytes is too long`);
  }
  return bytes.length < end ? undefined : end;
}
