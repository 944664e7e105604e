// Tunnels between devices: whose buffer leaves, and where the headers are.
#include "ports/vxlan.h"
#include "ports/vxlan_carrier.h"
#include "ports/vxlan_port.h"
#include "test/ports/ethdev_kit.h"
#include "vxlan/wire.h"

using namespace memswitch;
using namespace memswitch::test;

namespace {

IpAddress ip(const char* text) {
  IpAddress address;
  EXPECT(IpAddress::parse(text, address));
  return address;
}

constexpr uint32_t kVni = 7;
constexpr uint32_t kHeaders = 14 + vxlan::overhead(true);

// A bridge of a tunnel and what a test adds; the underlay is a device. Station 2 is behind the remote, station 1 here.
struct TunnelBench {
  explicit TunnelBench(std::vector<StaticNeighbor> given = {}) : neighbors(std::move(given)) {
    tunnel.add_worker(0, bench.counters());
    underlay.add_worker(0, bench.counters()[nic.port->id()]);
    underlay.tunnels.store(&tunnels);
    carrier.add_worker(0);
    carrier.ends.store(&ends);
    nic.port->bridge.store(nullptr);
    nic.port->vtep.store(&carrier);
    bench.join(tunnel);
    bench.place(2, tunnel);
    tunnel.heard(tunnel.remotes.add(theirs.address), mac(2), 64, 0);
  }
  // The other end has answered; the question is not looked at.
  void resolve(RxQueue& from, const std::function<void()>& send) {
    send();
    bench.poll(from);
    rte_mbuf* question = nic.take();
    EXPECT(question != nullptr);
    rte_pktmbuf_free(question);
    underlay.hear({vxlan::NeighborMessage::Kind::kAnswer, theirs, ours.address});
    EXPECT_EQ(bench.drops(Drop::kUnresolved), 1);
  }
  static Bytes wrapped(const Bytes& inner) {
    const vxlan::OuterTemplate outer({.source_mac = theirs.mac,
                                      .destination_mac = ours.mac,
                                      .local = theirs.address,
                                      .remote = ours.address,
                                      .port = vxlan::kUdpPort,
                                      .vni = kVni});
    Bytes frame(vxlan::kOuterRoom);
    outer.write(reinterpret_cast<std::byte*>(frame.data()),
                {.inner_length = static_cast<uint32_t>(inner.size()), .source_port = 50'000});
    frame.resize(outer.size());
    frame.insert(frame.end(), inner.begin(), inner.end());
    return frame;
  }

  static inline const vxlan::Station ours{ip("192.0.2.1"), mac(9), 0};
  static inline const vxlan::Station theirs{ip("192.0.2.2"), mac(8), 0};
  const std::vector<StaticNeighbor> neighbors;
  Bench bench;
  RingDevice& nic = bench.add({.mtu = 9000});
  PortUnderlay underlay{
      {.self = ours, .mtu = 9000, .neighbors = neighbors}, *nic.port, bench.shared().clock};
  VxlanPort tunnel{bench.next_id(), &bench.bridge(), kMaxMacs,
                   {.vni = kVni},   underlay,        bench.shared()};
  const VniTable tunnels{{{kVni, &tunnel}}};
  VxlanCarrier carrier{*nic.port};
  const VxlanCarrier::Ends ends{&underlay};
};

Bytes inside(const rte_mbuf* buffer) {
  const Bytes all = bytes_of(buffer);
  return {all.begin() + kHeaders, all.end()};
}

}  // namespace

TEST("a checksum that the device has checked is not summed up again") {
  TunnelBench t;
  Memory& out = t.bench.add_memory();
  t.bench.place(1, out);
  Memory::Queue in(*t.nic.port);
  for (const bool checked : {false, true}) {
    Bytes wrong = TunnelBench::wrapped(frame(1, 2, 100));
    constexpr size_t kUdpChecksum = 14 + 20 + 6;
    wrong[kUdpChecksum] ^= 1;  // so that only who does not look can take it for right
    in.waiting = {wrong};
    in.checked = checked;
    t.bench.poll(in);
    EXPECT_EQ(t.bench.drops(Drop::kBadOuterChecksum), 1);
    EXPECT_EQ(out.seen.size(), checked ? 1 : 0);
  }
  t.bench.expect_balance();
}

TEST("from device into a tunnel over a device the buffer changes hands, headers in front of it") {
  TunnelBench t;
  RingDevice& in = t.bench.add({.mtu = 9000});
  t.resolve(*in.port->queues()[0], [&] { in.put(frame(2, 1)); });
  for (const size_t length : {14, 60, 64, 65, 1514}) {
    const rte_mbuf* sent = in.put(frame(2, 1, length));
    const auto* data = rte_pktmbuf_mtod(sent, const std::byte*);
    t.bench.poll(in);
    rte_mbuf* got = t.nic.take();
    EXPECT(got == sent);
    EXPECT_EQ(got->nb_segs, 1);
    // What is no longer than the snapshot is written anew, wherever there is room; the rest of a longer one stays in place.
    const bool stays = length > kHeaderBytes;
    EXPECT(!stays || rte_pktmbuf_mtod(got, const std::byte*) == data - kHeaders);
    EXPECT(inside(got) == frame(2, 1, length));
    rte_pktmbuf_free(got);
  }
  EXPECT_EQ(in.used() + t.nic.used(), 0);
  t.bench.expect_balance();
}

TEST("out of a tunnel over a device to a device the buffer changes hands, headers taken off") {
  TunnelBench t;
  RingDevice& out = t.bench.add({.mtu = 9000});
  t.bench.place(1, *out.port);
  for (const size_t length : {60, 64, 65, 1514}) {
    const rte_mbuf* sent = t.nic.put(TunnelBench::wrapped(frame(1, 2, length)));
    const auto* data = rte_pktmbuf_mtod(sent, const std::byte*);
    t.bench.poll(t.nic);
    rte_mbuf* got = out.take();
    EXPECT(got == sent);
    EXPECT(rte_pktmbuf_mtod(got, const std::byte*) == data + kHeaders);
    EXPECT(bytes_of(got) == frame(1, 2, length));
    rte_pktmbuf_free(got);
  }
  EXPECT_EQ(out.used() + t.nic.used(), 0);
  t.bench.expect_balance();
}

TEST("into a tunnel from memory: one copy, headers and frame in one buffer of the device") {
  TunnelBench t;
  Memory& in = t.bench.add_memory();
  t.resolve(in.queue, [&] { in.queue.waiting = {frame(2, 1)}; });
  in.queue.waiting = {frame(2, 1, 1514)};
  t.bench.poll(in.queue);
  rte_mbuf* got = t.nic.take();
  EXPECT(got != nullptr && got->pool == t.nic.pool && got->nb_segs == 1);
  EXPECT_EQ(t.nic.used(), 1);
  EXPECT(inside(got) == frame(2, 1, 1514));
  rte_pktmbuf_free(got);
  t.bench.expect_balance();
}

TEST(
    "into a tunnel from memory: frames that just fit a buffer of the device, wherever they lie, "
    "stay inside it") {
  TunnelBench t;
  Memory& in = t.bench.add_memory();
  t.resolve(in.queue, [&] { in.queue.waiting = {frame(2, 1)}; });
  constexpr size_t kRoom = RTE_MBUF_DEFAULT_DATAROOM - kHeaders;
  for (size_t length = kRoom - 70; length <= kRoom + 2; ++length) {
    const expect::Row row(std::to_string(length) + " bytes");
    in.queue.waiting = {frame(2, 1, length)};
    t.bench.poll(in.queue);
    rte_mbuf* got = t.nic.take();
    for (const rte_mbuf* part = got; part != nullptr; part = part->next) {
      EXPECT(part->data_off + part->data_len <= part->buf_len);
    }
    EXPECT(inside(got) == frame(2, 1, length));
    rte_pktmbuf_free(got);
  }
  t.bench.expect_balance();
}

TEST("out of a tunnel over a device to memory: the frame is read where it lies") {
  TunnelBench t;
  Memory& out = t.bench.add_memory();
  t.bench.place(1, out);
  const rte_mbuf* sent = t.nic.put(TunnelBench::wrapped(frame(1, 2, 1514)));
  t.bench.poll(t.nic);
  EXPECT_EQ(out.seen.size(), 1);
  EXPECT(out.seen[0] == rte_pktmbuf_mtod(sent, const std::byte*) + kHeaders);
  EXPECT_EQ(t.nic.used(), 0);
  t.bench.expect_balance();
}

namespace {

// What goes out when a frame is sent into the tunnel at that second.
std::string sent_at(uint16_t second, TunnelBench& t, Memory& in) {
  t.bench.shared().clock.store(second);
  in.queue.waiting = {frame(2, 1)};
  t.bench.poll(in.queue);
  std::string out;
  while (rte_mbuf* got = t.nic.take()) {
    out += bytes_of(got)[13] == 0x06 ? "question " : "frame ";
    rte_pktmbuf_free(got);
  }
  return out;
}

}  // namespace

TEST("a neighbour that is given is never asked for, however old it is") {
  TunnelBench t({{TunnelBench::theirs.address, TunnelBench::theirs.mac}});
  Memory& in = t.bench.add_memory();
  for (const int second : {0, 29, 30, 31, 32, 33, 34, 1000}) {
    EXPECT_EQ(sent_at(static_cast<uint16_t>(second), t, in), "frame ");
  }
  EXPECT(t.underlay.is_resolved(TunnelBench::theirs.address));
  t.bench.expect_balance();
}

TEST("a neighbour is asked for again after 30 s, kept while it may answer, given up in the end") {
  TunnelBench t;
  Memory& in = t.bench.add_memory();
  t.resolve(in.queue, [&] { in.queue.waiting = {frame(2, 1)}; });
  const auto at = [&](uint16_t second) { return sent_at(second, t, in); };
  EXPECT_EQ(at(29), "frame ");
  for (uint16_t second = 30; second <= 32; ++second) {
    EXPECT_EQ(at(second), "question frame ");
    EXPECT_EQ(at(second), "frame ");
  }
  EXPECT(t.underlay.is_resolved(TunnelBench::theirs.address));
  EXPECT_EQ(at(33), "question ");
  EXPECT(!t.underlay.is_resolved(TunnelBench::theirs.address));
  EXPECT_EQ(t.bench.drops(Drop::kUnresolved), 2);
  EXPECT_EQ(at(33), "");
  EXPECT_EQ(at(34), "question ");
  t.underlay.hear({vxlan::NeighborMessage::Kind::kAnswer, t.theirs, t.ours.address});
  EXPECT_EQ(at(35), "frame ");
  t.bench.expect_balance();
}
