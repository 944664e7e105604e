// One end of a memif connection that is no port of a switch: for a program that attaches to a socket, in either role, and
// moves frames by itself. The connection is made and made again on a control thread; frames are moved on the program's own,
// over the link that there is at the moment.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "control/memif_client.h"
#include "control/memif_server.h"
#include "control/reactor.h"
#include "memif/link.h"
#include "memif/ring.h"

namespace memswitch {

// The shared memory of one connection. Alive as long as somebody looks at it, also when the connection has ended. Each
// queue is for one thread at a time. A fault is told once; from then on the link moves nothing.
class EndpointLink {
 public:
  explicit EndpointLink(memif::Link link);

  // Where a frame, or room for one, lies.
  struct Place {
    uint16_t region;
    uint32_t offset;
    uint32_t length;
  };

  // Views of what waits; they stay ours until release().
  memif::Fault receive(size_t queue, Burst& burst);
  void release(size_t queue, const Burst& burst);
  // Before sleep: asks to be woken by rx_doorbell(). True: frames wait already.
  bool arm(size_t queue);
  void disarm(size_t queue);

  // Copies the burst's frames into the ring, as far as there is room. `headers` must hold their beginnings.
  memif::Transmitted transmit(size_t queue, Burst& burst);
  // Room for up to so many frames, to be filled in place. Not while other room is reserved.
  memif::Fault reserve(size_t queue, size_t most, std::vector<Place>& places);
  // Sends the first of what was reserved, with these lengths, and gives up the rest.
  void commit(size_t queue, std::span<const uint32_t> lengths);

  [[nodiscard]] const std::vector<memif::Region>& regions() const { return link_.regions; }
  [[nodiscard]] Place place(const Frame& frame) const;
  [[nodiscard]] std::byte* at(const Place& place) const {
    return views_[place.region].base + place.offset;
  }
  [[nodiscard]] size_t queues() const { return std::min(link_.rx.size(), link_.tx.size()); }
  [[nodiscard]] uint16_t ring_size() const { return link_.tx[0].size; }
  [[nodiscard]] int rx_doorbell(size_t queue) const { return link_.rx[queue].doorbell; }
  [[nodiscard]] const std::string& peer() const { return link_.peer; }

 private:
  memif::Fault fail(memif::Fault fault);
  void wake_peer(const memif::Ring& ring);
  [[nodiscard]] memif::RegionTable regions_table() const {
    return {views_.data(), static_cast<uint32_t>(views_.size())};
  }

  memif::Link link_;
  std::vector<memif::RegionView> views_;
  std::vector<std::vector<memif::Descriptor>> reserved_;  // by queue
  std::atomic<bool> failed_{false};
};

struct EndpointOptions {
  bool is_client = true;
  MemifServer::Place place{};
  memif::Interface interface {};  // of a server
  Allowed allowed{};              // likewise
  memif::ClientOptions client{};  // of a client; its id is not looked at
  bool tells_frames = true;       // else whoever moves frames watches the doorbells itself
};

class Endpoint final : private MemifOwner {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // On the control thread, with the endpoint's lock held: must not call back.
    virtual void up(std::shared_ptr<EndpointLink> link) = 0;
    virtual void down(const std::string& reason) = 0;
    // A queue's doorbell rang.
    virtual void frames(size_t /*queue*/) {}
  };

  Endpoint(EndpointOptions options, Listener& listener);
  ~Endpoint() override;

  // Starts: from now on the listener is told.
  Status open();
  // Says goodbye. The listener hears nothing any more. Idempotent.
  void close();
  // The peer broke the rules of the link: the connection ends, and is made again after a pause.
  void fail(memif::Fault fault);

 private:
  static constexpr PortId kPort = 1;

  memif::Reason attached(PortId port, memif::Link link, memif::PeerCredentials peer) override;
  void detached(PortId port, const std::string& reason) override;
  void refused(PortId port, const memif::Reason& reason) override;
  void tick();

  const EndpointOptions options_;
  Listener& listener_;
  std::mutex lock_;
  std::shared_ptr<EndpointLink> link_;
  std::string told_;  // the last refusal
  Reactor reactor_{lock_};
  MemifServer server_{reactor_, *this};
  MemifClient client_{reactor_, *this};
};

}  // namespace memswitch
