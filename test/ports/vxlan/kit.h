// For tests of tunnels: switches and VTEPs by hand, at addresses of the loopback network.
#pragma once

#include <arpa/inet.h>

#include "ports/vxlan.h"
#include "test/native/fixture.h"
#include "vxlan/socket_address.h"

namespace memswitch::test {

inline IpAddress ip(const char* text) {
  IpAddress address;
  EXPECT(IpAddress::parse(text, address));
  return address;
}

// A port that no other test run has.
inline uint16_t udp_port() {
  return static_cast<uint16_t>(20'000 + ::getpid() % 10'000);
}

inline VxlanOptions tunnel(const char* local, std::initializer_list<const char*> remotes,
                           uint32_t vni = 7) {
  VxlanOptions options{.vni = vni, .vtep = {.local = ip(local), .port = udp_port()}};
  for (const char* remote : remotes) {
    options.remotes.push_back(ip(remote));
  }
  return options;
}

// A switch with one station, at port "a", and tunnels.
struct Site {
  explicit Site(VxlanOptions options, size_t workers = 1) : fixture(workers) {
    a = fixture.add_port("a");
    t = add(std::move(options));
    station.emplace(fixture.socket("a"));
    EXPECT_EQ(station->refusal(), "");
  }
  PortId add(VxlanOptions options, uint16_t bridge = 0) {
    return fixture.add_port("", {.bridge = bridge, .vxlan = std::move(options)});
  }
  RemoteStatus remote(const char* address) {
    for (const TunnelStatus& tunnel : fixture.sw.tunnels()) {
      for (const RemoteStatus& remote : tunnel.remotes) {
        if (remote.address == ip(address)) {
          return remote;
        }
      }
    }
    return {};
  }

  Fixture fixture;
  PortId a = kNoPort;
  PortId t = kNoPort;
  std::optional<Station> station;
};

// A VTEP by hand.
struct Peer {
  explicit Peer(const char* local)
      : socket(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_storage name;
    const socklen_t length = socket_address(ip(local), udp_port(), name);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&name), length), 0);
  }
  void send(const char* to, const Bytes& payload) {
    sockaddr_storage name;
    const socklen_t length = socket_address(ip(to), udp_port(), name);
    EXPECT_EQ(::sendto(socket.get(), payload.data(), payload.size(), 0,
                       reinterpret_cast<sockaddr*>(&name), length),
              static_cast<ssize_t>(payload.size()));
  }
  std::optional<Bytes> receive() {
    Bytes payload(65536);
    const ssize_t got = ::recv(socket.get(), payload.data(), payload.size(), 0);
    if (got < 0) {
      return std::nullopt;
    }
    payload.resize(static_cast<size_t>(got));
    return payload;
  }
  Bytes expect_payload() {
    std::optional<Bytes> payload;
    EXPECT_SOON((payload = receive()).has_value());
    return *payload;
  }
  UniqueFd socket;
};

inline Bytes with_header(uint32_t vni, const Bytes& frame, uint8_t flags = 0x08) {
  Bytes payload(8 + frame.size());
  payload[0] = flags;
  payload[4] = static_cast<uint8_t>(vni >> 16);
  payload[5] = static_cast<uint8_t>(vni >> 8);
  payload[6] = static_cast<uint8_t>(vni);
  std::ranges::copy(frame, payload.begin() + 8);
  return payload;
}

}  // namespace memswitch::test
