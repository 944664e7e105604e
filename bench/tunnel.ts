/** How every switch sets its tunnel up: port 1 is the underlay, at whose other end the load is (bench/tunnel_end.h). */
export const tunnel = {
  vni: 7,
  local: { address: '192.0.2.1', prefix: 24, mac: '02:00:00:00:02:01' },
  remote: '192.0.2.2',
  /** The longest frame of the load fits in: 1,518 bytes and 36 of headers, with room. */
  mtu: 1600,
};

/** Bytes that a tunnel over IPv4 puts in front of a frame. */
export const tunnelHeaders = 50;
