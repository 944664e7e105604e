// Sends frames as fast as the switch takes them, and counts what comes: node load.mjs SOCKET MAC PEER [BYTES]
import { MemifClient } from 'memswitch';

const [socket, mac, peer, bytes = 64] = process.argv.slice(2);
const header = Buffer.from(`${peer}${mac}88b5`.replaceAll(':', ''), 'hex');
const client = await MemifClient.connect({ socket });
setInterval(() => console.log(JSON.stringify(client.statistics())), 1000);
for (;;) {
  const room = client.reserve(64); // written in place: nothing is copied
  for (const frame of room) header.copy(frame);
  client.commit(room.map(() => Number(bytes)));
  while (client.receive().length > 0);
  await (room.length > 0 ? new Promise(setImmediate) : client.drain());
}
