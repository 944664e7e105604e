/** What the tests of devices share: capture files, network namespaces, and why a test can't run here. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import { Program, run } from '../interop/processes.js';

/** Why tests over DPDK can't run here; undefined: they can. */
export function lacksDpdk(): string | undefined {
  const built = existsSync(new URL('../../build/Release/memswitch_dpdk.so', import.meta.url));
  return built ? undefined : 'built without DPDK (libdpdk-dev)';
}

export function lacksRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'needs root (network namespaces)';
}

/** A unique name of at most 15 characters, as interfaces have them. */
export function uniqueName(prefix: string): string {
  return `${prefix}${process.pid % 100_000}${randomBytes(2).toString('hex')}`;
}

/** An Ethernet frame between stations 02:00:00:00:00:XX, filled with what nobody could guess. */
export function frame(to: number, from: number, length: number): Buffer {
  const header = Buffer.from([2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0x88, 0xb5]);
  return Buffer.concat([header, randomBytes(length - header.length)]);
}

const fileHeaderBytes = 24;
const recordHeaderBytes = 16;

/** A capture file (pcap, LINKTYPE_ETHERNET). */
export function writeCapture(path: string, frames: Buffer[]): void {
  const head = Buffer.alloc(fileHeaderBytes);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65_535, 16);
  head.writeUInt32LE(1, 20);
  const records = frames.flatMap((frame) => {
    const record = Buffer.alloc(recordHeaderBytes);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, frame];
  });
  writeFileSync(path, Buffer.concat([head, ...records]));
}

export function readCapture(path: string): Buffer[] {
  const bytes = readFileSync(path);
  const frames: Buffer[] = [];
  for (let at = fileHeaderBytes; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 8);
    at += recordHeaderBytes;
    frames.push(bytes.subarray(at, at + length));
    at += length;
  }
  return frames;
}

/** A Linux host: a network namespace that goes away with the test. */
export class Namespace {
  readonly name = uniqueName('msw');

  constructor() {
    run('ip', 'netns', 'add', this.name);
    onTestFinished(() => this.end());
    this.exec('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
    this.exec('ip', 'link', 'set', 'lo', 'up');
  }

  /** Before the test ends, or then. */
  end(): void {
    if (existsSync(`/run/netns/${this.name}`)) {
      run('ip', 'netns', 'del', this.name);
    }
  }

  exec(command: string, ...args: string[]): string {
    return run('ip', 'netns', 'exec', this.name, command, ...args);
  }

  start(command: string, ...args: string[]): Program {
    return new Program('ip', ['netns', 'exec', this.name, command, ...args]);
  }

  /** Gives an interface an address and sets it up. */
  address(interface_: string, address: string): void {
    this.exec('ip', 'addr', 'add', `${address}/24`, 'dev', interface_);
    this.exec('ip', 'link', 'set', interface_, 'up');
  }

  /** Packets that came back, of `count`. */
  ping(to: string, count: number, ...more: string[]): number {
    const text = this.exec('ping', '-q', '-c', `${count}`, '-i', '0.002', '-W', '5', ...more, to);
    return Number(/(\d+) received/.exec(text)?.[1]);
  }

  /** Whether it answers, asked once. */
  reaches(address: string): boolean {
    const script = `ping -q -c 1 -W 1 ${address} > /dev/null && echo yes || echo no`;
    return this.exec('sh', '-c', script).includes('yes');
  }

  /** Sends so many bytes by TCP, however long that takes; the bytes that were there when the last was sent. */
  async tcp(to: Namespace, address: string, bytes = '30M', ...more: string[]): Promise<number> {
    const server = to.start('iperf3', '-s', '-1');
    while (to.exec('ss', '-Hltn', 'sport = :5201') === '') {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const client = this.start('iperf3', '-J', '-c', address, '-n', bytes, ...more);
    const { output } = await client.finished();
    await server.finished();
    return JSON.parse(output).end.sum_received.bytes;
  }
}
