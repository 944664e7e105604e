/** What a station without a kernel answers by itself. That real pings are answered is seen with the examples (memif-client.test.ts). */
import { randomBytes, randomInt } from 'node:crypto';
import { Responder } from 'memswitch';
import { describe, expect, test } from 'vitest';

const responder = new Responder({ mac: '02:00:00:00:00:07', ip: '192.0.2.7' });
const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

const question = hex(`ffffffffffff 020000000001 0806
  0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000207`);
const ping = hex(`020000000007 020000000001 0800
  4500 001e 0000 4000 4001 b6cb c0000201 c0000207 0800 f7f1 0001 0002 0809`);
const withOptions = hex(`020000000007 020000000001 0800
  4600 0020 0000 4000 4001 0000 c0000201 c0000207 01010100 0800 f7fc 0001 0002`);

function changed(frame: Buffer, at: number, to: number): Buffer {
  const other = Buffer.from(frame);
  other[at] = to;
  return other;
}

/** RFC 1071, of whole words. */
function onesSum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += bytes.readUInt16BE(at);
  }
  return sum % 0xffff || 0xffff;
}

describe('Responder', () => {
  test('answers ARP', () => {
    const frame = Buffer.from(question);
    expect(responder.answer(frame)).toBe(true);
    expect(frame.toString('hex')).toBe(
      hex(`020000000001 020000000007 0806
        0001 0800 06 04 0002 020000000007 c0000207 020000000001 c0000201`).toString('hex'),
    );
  });

  test('answers ping, also behind IP options', () => {
    const frame = Buffer.from(ping);
    expect(responder.answer(frame)).toBe(true);
    expect(frame.subarray(0, 12)).toEqual(hex('020000000001 020000000007'));
    expect(frame.subarray(26, 34)).toEqual(hex('c0000207 c0000201'));
    expect(frame.subarray(34)).toEqual(hex('0000 fff1 0001 0002 0809'));
    const other = Buffer.from(withOptions);
    expect(responder.answer(other)).toBe(true);
    expect(other.subarray(38)).toEqual(hex('0000 fffc 0001 0002'));
  });

  test('the checksum of each answer is right, also where the change of type carries', () => {
    for (let i = 0; i < 2000; ++i) {
      const frame = Buffer.concat([
        ping.subarray(0, 34),
        Buffer.from([8, 0, 0, 0]),
        randomBytes(6),
      ]);
      const sum = onesSum(frame.subarray(34));
      frame.writeUInt16BE(0xffff - sum, 36);
      expect(responder.answer(frame)).toBe(true);
      expect(onesSum(frame.subarray(34))).toBe(0xffff);
    }
  });

  test.each([
    ['ARP for another', changed(question, 41, 8)],
    ['an ARP answer', changed(question, 21, 2)],
    ['ARP of another hardware', changed(question, 15, 6)],
    ['ARP that is cut short', question.subarray(0, 41)],
    ['a ping to another', changed(ping, 33, 8)],
    ['an answer', changed(ping, 34, 0)],
    ['UDP', changed(ping, 23, 17)],
    ['a first fragment', changed(ping, 20, 0x20)],
    ['a later fragment', changed(ping, 21, 1)],
    ['IP with a header that is too short', changed(ping, 14, 0x44)],
    ['IP with a header behind the frame', changed(ping, 14, 0x4f)],
    ['IPv6', changed(ping, 12, 0x86)],
    ['nothing', Buffer.alloc(0)],
  ])('leaves alone: %s', (_, frame) => {
    const before = Buffer.from(frame);
    expect(responder.answer(frame)).toBe(false);
    expect(frame).toEqual(before);
  });

  test('whatever comes: what it does not answer is as it was', () => {
    for (let i = 0; i < 20_000; ++i) {
      const base = [question, ping, withOptions][i % 3] as Buffer;
      const noise = changed(base, randomInt(base.length), randomInt(256));
      const frame = i % 5 ? noise.subarray(0, randomInt(noise.length + 1)) : randomBytes(i % 64);
      const before = Buffer.from(frame);
      if (!responder.answer(frame)) {
        expect(frame.equals(before)).toBe(true);
      }
    }
  });

  test.each([
    [{ mac: '01:00:5e:00:00:01', ip: '192.0.2.7' }, /mac: must be the address of one station/],
    [{ mac: '02:00:00:00:00:07', ip: '192.0.2' }, /ip: must be an IPv4 address/],
  ])('mistakes are told: %j', (options, words) => {
    expect(() => new Responder(options)).toThrow(words);
  });
});
