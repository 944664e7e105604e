// Answers ARP and ping: node icmp-echo.mjs SOCKET MAC IP
import { MemifClient, Responder } from 'memswitch';

const [socket, mac = '02:00:00:00:00:07', ip = '192.0.2.7'] = process.argv.slice(2);
const responder = new Responder({ mac, ip });
const client = await MemifClient.connect({ socket });
console.log(`answering for ${ip} over ${socket}`);
for await (const frames of client.bursts()) {
  client.send(frames.filter((frame) => responder.answer(frame))); // what finds no room is lost, as on any wire
}
