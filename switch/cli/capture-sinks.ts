/** Where the frames of a capture go: into files that follow each other, to another program, or as lines to people. */

import { once } from 'node:events';
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { parse } from 'node:path';
import { SwitchError } from '../errors.js';
import { packetLine } from './packet-line.js';
import { type Block, interfaceBlock, interfaceName, packetBlock, readPacket } from './pcapng.js';

export interface Sink {
  write(blocks: Block[]): void | Promise<void>;
  close(): void;
}

export interface Rotation {
  /** Most bytes of a file; another follows. */
  fileSize?: number | undefined;
  /** Most files; the oldest is removed. */
  files?: number | undefined;
}

/** Captured traffic is nobody else's to read. */
const fileMode = 0o600;

/** One file, or `name_00001.pcapng`, `name_00002.pcapng` and so on, each complete in itself. */
export class Files implements Sink {
  readonly #path: string;
  readonly #rotation: Rotation;
  readonly #paths: string[] = [];
  readonly #head: Block[] = [];
  #fd: number | undefined;
  #bytes = 0;
  #number = 0;

  constructor(path: string, rotation: Rotation) {
    this.#path = path;
    this.#rotation = rotation;
    this.#open();
  }

  write(blocks: Block[]): void {
    const { fileSize = Number.POSITIVE_INFINITY } = this.#rotation;
    let waiting: Buffer[] = [];
    for (const block of blocks) {
      if (this.#bytes + block.bytes.length > fileSize && block.type === packetBlock) {
        this.#put(waiting);
        waiting = [];
        this.#next();
      }
      if (block.type !== packetBlock && block.type !== 5) {
        this.#head.push({ type: block.type, bytes: Buffer.from(block.bytes) });
      }
      this.#bytes += block.bytes.length;
      waiting.push(block.bytes);
    }
    this.#put(waiting);
  }

  close(): void {
    if (this.#fd !== undefined) {
      closeSync(this.#fd);
    }
  }

  #next(): void {
    const head = Buffer.concat(this.#head.map(({ bytes }) => bytes));
    if (this.#bytes <= head.length) {
      return; // a frame longer than a file has one of its own
    }
    this.close();
    this.#open();
    this.#put([head]);
    this.#bytes = head.length;
  }

  #open(): void {
    const path = this.#rotation.fileSize === undefined ? this.#path : this.#numbered();
    try {
      this.#fd = openSync(path, 'w', fileMode);
    } catch (cause) {
      throw new SwitchError('SYSTEM', `${path}: ${(cause as Error).message}`, { path, cause });
    }
    this.#paths.push(path);
    const { files = Number.POSITIVE_INFINITY } = this.#rotation;
    if (this.#paths.length > files) {
      unlinkSync(this.#paths.shift() as string);
    }
  }

  #numbered(): string {
    const { dir, name, ext } = parse(this.#path);
    this.#number += 1;
    return `${dir && `${dir}/`}${name}_${String(this.#number).padStart(5, '0')}${ext}`;
  }

  #put(pieces: Buffer[]): void {
    const bytes = Buffer.concat(pieces);
    for (let done = 0; done < bytes.length && this.#fd !== undefined; ) {
      done += writeSync(this.#fd, bytes, done);
    }
  }
}

/** The stream as it is, to a program that reads our standard output. */
export class Pipe implements Sink {
  async write(blocks: Block[]): Promise<void> {
    const bytes = Buffer.concat(blocks.map((block) => block.bytes));
    if (!process.stdout.write(bytes)) {
      await once(process.stdout, 'drain');
    }
  }

  close(): void {}
}

export class Lines implements Sink {
  readonly #names: string[] = [];

  async write(blocks: Block[]): Promise<void> {
    let text = '';
    for (const block of blocks) {
      if (block.type === interfaceBlock) {
        this.#names.push(interfaceName(block));
      } else if (block.type === packetBlock) {
        const packet = readPacket(block);
        text += `${packetLine(this.#names[packet.interface] ?? '?', packet)}\n`;
      }
    }
    if (text !== '' && !process.stdout.write(text)) {
      await once(process.stdout, 'drain');
    }
  }

  close(): void {}
}
