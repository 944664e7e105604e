// Sends frames as fast as the switch takes them, and counts what comes: node load.mjs SOCKET MAC PEER [BYTES]
import { MemifClient } from 'memswitch';

const [socket, mac, peer, bytes = 64] = process.argv.slice(2);
const header = Buffer.from(`${peer}${mac}88b5`.replaceAll(':', ''), 'hex');
const burst = new Array(64).fill(Buffer.concat([header], Number(bytes))); // padded with zeros
const client = await MemifClient.connect({ socket });
setInterval(() => console.log(JSON.stringify(client.statistics())), 1000);
for (; ; await new Promise(setImmediate)) {
  await client.sendAll(burst);
  while (client.receive().length > 0);
}
