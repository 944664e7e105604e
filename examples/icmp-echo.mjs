// Answers ARP and ping: node icmp-echo.mjs SOCKET MAC IP
import { MemifClient } from 'memswitch';

const [socket, mac = '02:00:00:00:00:07', ip = '192.0.2.7'] = process.argv.slice(2);
const me = Buffer.concat([
  Buffer.from(mac.replaceAll(':', ''), 'hex'),
  Buffer.from(ip.split('.').map(Number)),
]);
const isArp = (f) =>
  f.readUInt16BE(12) === 0x806 && f[21] === 1 && f.subarray(38, 42).equals(me.subarray(6));
const isPing = (f) =>
  f.readUInt16BE(12) === 0x800 &&
  f[23] === 1 &&
  f[34] === 8 &&
  f.subarray(30, 34).equals(me.subarray(6));

function answerArp(f) {
  f[21] = 2;
  f.copyWithin(32, 22, 32); // the asker becomes the target
  me.copy(f, 22);
}

function answerPing(f) {
  const [from, sum] = [f.readUInt32BE(26), f.readUInt16BE(36) + 0x800];
  f.copyWithin(26, 30, 34);
  f.writeUInt32BE(from, 30);
  f[34] = 0;
  f.writeUInt16BE((sum & 0xffff) + (sum >> 16), 36); // RFC 1624: only the type has changed
}

const client = await MemifClient.connect({ socket });
console.log(`answering for ${ip} over ${socket}`);
for await (const frames of client.bursts()) {
  const mine = frames.filter((f) => f.length >= 42 && (isArp(f) || isPing(f)));
  for (const f of mine) {
    isArp(f) ? answerArp(f) : answerPing(f);
    f.copyWithin(0, 6, 12); // back to its sender
    me.copy(f, 6, 0, 6);
  }
  client.send(mine); // what finds no room is lost, as on any wire; statistics() counts it
}
