/** Capture files, which DPDK's net_pcap sends frames from and writes what arrives to. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { run } from './processes.js';

const headerBytes = 24;
const recordBytes = 16;

/** The classic format, little-endian, Ethernet: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html */
export function writeCapture(path: string, frames: Buffer[]): void {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.flatMap((frame) => {
    const record = Buffer.alloc(recordBytes);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, frame];
  });
  writeFileSync(path, Buffer.concat([header, ...records]));
}

/** The frames that are in it so far: somebody may still be writing. */
export function readCapture(path: string): Buffer[] {
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  const frames: Buffer[] = [];
  for (let at = headerBytes; at + recordBytes <= bytes.length; ) {
    const end = at + recordBytes + bytes.readUInt32LE(at + 8);
    if (end > bytes.length) {
      break;
    }
    frames.push(bytes.subarray(at + recordBytes, end));
    at = end;
  }
  return frames;
}

/** UDP over IPv6 without checksums is what tunnels may do (RFC 6935); tshark warns of it unless told. */
const zeroAllowed = ['-o', 'udp.ignore_ipv6_zero_checksum:TRUE'];

/** Frames in a capture that a filter shows, one a line, as tshark tells them; checksums are looked at. */
export function shown(file: string, filter: string, ...more: string[]): string[] {
  const checks = ['ip', 'udp', 'tcp'].flatMap((layer) => ['-o', `${layer}.check_checksum:TRUE`]);
  checks.push(...zeroAllowed);
  const lines = run('tshark', '-2', '-r', file, ...checks, '-Y', filter, ...more).split('\n');
  return lines.filter(Boolean);
}

/** A filter: what tshark has at least a warning about. */
export const minded = `_ws.expert.severity >= ${0x60_0000}`;
