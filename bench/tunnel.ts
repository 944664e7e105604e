/** How every switch sets its tunnel up: port 1 is the underlay, at whose other end the load is (bench/tunnel_end.h). */
export const tunnel = {
  vni: 7,
  local: { address: '192.0.2.1', prefix: 24, mac: '02:00:00:00:02:01' },
  remote: { address: '192.0.2.2', mac: '02:00:00:00:02:02' },
  /** The longest frame of the load fits in: 1,518 bytes and 36 of headers, with room. */
  mtu: 1600,
};

/** Bytes that a tunnel over IPv4 puts in front of a frame. */
export const tunnelHeaders = 50;

/** The headers in front of a frame of so many bytes, from the remote; without UDP checksum, as all have it over IPv4. */
export function outerHeaders(inner: number, sourcePort: number): Buffer {
  const headers = Buffer.alloc(tunnelHeaders);
  const mac = (text: string) => Buffer.from(text.replaceAll(':', ''), 'hex');
  const ip = (text: string) => Buffer.from(text.split('.').map(Number));
  mac(tunnel.local.mac).copy(headers, 0);
  mac(tunnel.remote.mac).copy(headers, 6);
  headers.writeUInt16BE(0x0800, 12);
  headers.writeUInt16BE(0x4500, 14);
  headers.writeUInt16BE(36 + inner, 16);
  headers.writeUInt16BE(0x4000, 20);
  headers.writeUInt16BE(0x4011, 22);
  ip(tunnel.remote.address).copy(headers, 26);
  ip(tunnel.local.address).copy(headers, 30);
  headers.writeUInt16BE(checksum(headers.subarray(14, 34)), 24);
  headers.writeUInt16BE(sourcePort, 34);
  headers.writeUInt16BE(4789, 36);
  headers.writeUInt16BE(16 + inner, 38);
  headers.writeUInt8(0x08, 42);
  headers.writeUInt32BE(tunnel.vni << 8, 46);
  return headers;
}

/** RFC 1071. */
function checksum(data: Buffer): number {
  let sum = 0;
  for (let at = 0; at < data.length; at += 2) {
    sum += data.readUInt16BE(at);
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return ~sum & 0xffff;
}
