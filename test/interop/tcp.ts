/** TCP by iperf3 between hosts. */
import { type Program, until } from './processes.js';

interface End {
  exec(command: string, ...args: string[]): string;
  start(command: string, ...args: string[]): Program;
}

/** How long each lasts; a trial by hand may take longer than a test should. */
const longer = process.env.MEMSWITCH_TCP_SECONDS;

/** Bytes that arrived within so many seconds; tells the rate. */
export async function tcp(
  { from, to, address }: { from: End; to: End; address: string },
  seconds: number,
): Promise<number> {
  const server = to.start('iperf3', '-s', '-1');
  await until('iperf3 listens', () => to.exec('ss', '-Hltn', 'sport = :5201') !== '');
  const client = from.start('iperf3', '-J', '-c', address, '-t', longer ?? String(seconds));
  const { output } = await client.finished();
  await server.finished();
  const { bytes, seconds: took, bits_per_second: rate } = JSON.parse(output).end.sum_received;
  console.log(`iperf3 to ${address}: ${(rate / 1e6).toFixed(0)} Mbit/s of TCP for ${took} s`);
  return bytes;
}
