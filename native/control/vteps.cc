#include "control/vteps.h"

#include <algorithm>

namespace memswitch {

namespace {

std::string name_of(const VtepOptions& vtep) {
  return vtep.local.text() + " port " + std::to_string(vtep.port);
}

}  // namespace

Underlay& OwnEnd::underlay() const {
  return kernel ? static_cast<Underlay&>(*kernel) : *port;
}

Status Vteps::open_kernel(const VtepOptions& options, OwnEnd& end) {
  KernelSockets sockets;
  Status status = open_sockets(options, sockets);
  if (status.ok()) {
    end.kernel =
        std::make_unique<KernelUnderlay>(KernelUnderlay::Options{.local = options.local,
                                                                 .port = options.port,
                                                                 .inherit_dscp = options.dscp < 0,
                                                                 .segment = options.udp_checksum},
                                         std::move(sockets));
  }
  return status;
}

Status Vteps::open_port(const VtepOptions& options, Port* carrier, OwnEnd& end) {
  if (carrier == nullptr) {
    return refuse(Code::kInvalid, "the underlay must be a port that is not a tunnel");
  }
  const bool taken = std::ranges::any_of(ends_, [&](const auto& other) {
    const VtepOptions& its = other->options;
    return its.underlay == options.underlay && its.local == options.local &&
           its.vlan == options.vlan && its.mac != options.mac;
  });
  if (taken) {
    return refuse(Code::kInUse, "another tunnel at " + options.local.text() +
                                    " has another Ethernet address; one IP address has one");
  }
  end.carrier = carrier;
  end.port = std::make_unique<PortUnderlay>(
      PortUnderlay::Options{.self = {options.local, options.mac, options.vlan},
                            .prefix = options.prefix,
                            .gateway = options.gateway,
                            .port = options.port,
                            .mtu = options.mtu,
                            .ttl = options.ttl,
                            .dscp = options.dscp,
                            .dont_fragment = options.dont_fragment,
                            .udp_checksum = options.udp_checksum,
                            .first_source_port = options.first_source_port,
                            .last_source_port = options.last_source_port,
                            .neighbors = options.neighbors},
      *carrier, shared_.clock);
  for (uint16_t w = 0; w < workers_.size(); ++w) {
    end.port->add_worker(w, workers_.port_counters(w)[options.underlay]);
  }
  return {};
}

void Vteps::add_worker(uint16_t worker) {
  for (const auto& end : ends_) {
    if (end->port) {
      end->port->add_worker(worker, workers_.port_counters(worker)[end->options.underlay]);
    }
  }
  for (const auto& [id, carried] : carried_) {
    carried.carrier->add_worker(worker);
  }
}

// A VTEP has one TTL and so on, so those who share it must agree.
Status Vteps::find(const VtepOptions& wanted, uint32_t vni, Port* carrier,
                   std::shared_ptr<OwnEnd>& end) {
  const auto found = std::ranges::find_if(ends_, [&](const auto& other) {
    return other->options.underlay == wanted.underlay && other->options.netns == wanted.netns &&
           other->options.local == wanted.local && other->options.port == wanted.port;
  });
  if (found == ends_.end()) {
    end = std::make_shared<OwnEnd>();
    end->options = wanted;
    return wanted.underlay == kNoPort ? open_kernel(wanted, *end)
                                      : open_port(wanted, carrier, *end);
  }
  end = *found;
  if (end->options != wanted) {
    return refuse(Code::kInvalid, "another tunnel at " + name_of(wanted) +
                                      " differs in ttl, dscp, df, udpChecksum, sourcePorts or how "
                                      "it reaches its remotes; they share a VTEP and must agree");
  }
  if (end->tunnels.contains(vni)) {
    return refuse(Code::kInUse,
                  "another tunnel at " + name_of(wanted) + " has VNI " + std::to_string(vni));
  }
  return {};
}

Status Vteps::join(const std::shared_ptr<OwnEnd>& end, VxlanPort& tunnel) {
  end->tunnels[tunnel.vni()] = &tunnel;
  publish(*end);
  if (end->tunnels.size() > 1) {
    return {};
  }
  ends_.push_back(end);
  return listen(*end, tunnel);
}

void Vteps::leave(const std::shared_ptr<OwnEnd>& end, const VxlanPort& tunnel) {
  end->tunnels.erase(tunnel.vni());
  if (!end->tunnels.empty()) {
    publish(*end);
  } else {
    std::erase(ends_, end);
    close(*end);
  }
}

Status Vteps::listen(OwnEnd& end, VxlanPort& first) {
  if (end.carrier != nullptr) {
    publish_ends(*end.carrier);
    return {};
  }
  end.queue = std::make_unique<KernelRxQueue>(first, *end.kernel);
  RxQueue* queue = end.queue.get();
  return workers_.add({&queue, 1}) ? Status{}
                                   : refuse(Code::kLimit, "the workers have too many queues");
}

void Vteps::close(OwnEnd& end) {
  if (end.carrier != nullptr) {
    publish_ends(*end.carrier);
  } else if (RxQueue* queue = end.queue.get()) {
    workers_.remove({&queue, 1});
  }
}

bool Vteps::carries(PortId underlay) const {
  return carried_.contains(underlay);
}

void Vteps::publish_ends(Port& port) {
  auto next = std::make_unique<VxlanCarrier::Ends>();
  for (const auto& end : ends_) {
    if (end->carrier == &port) {
      next->push_back(end->port.get());
    }
  }
  if (next->empty()) {
    port.vtep.store(nullptr);
    reclaim_.later([gone = std::make_shared<Carried>(std::move(carried_.at(port.id())))] {});
    carried_.erase(port.id());
    return;
  }
  Carried& carried = carried_[port.id()];
  if (!carried.carrier) {
    carried.carrier = std::make_unique<VxlanCarrier>(port);
    for (uint16_t w = 0; w < workers_.size(); ++w) {
      carried.carrier->add_worker(w);
    }
  }
  carried.carrier->ends.store(next.get(), std::memory_order_seq_cst);
  reclaim_.retire(std::exchange(carried.ends, std::move(next)));
  port.vtep.store(carried.carrier.get(), std::memory_order_seq_cst);
}

void Vteps::publish(OwnEnd& end) {
  std::vector<VniTable::Tunnel> list;
  for (const auto& [vni, port] : end.tunnels) {
    list.push_back({vni, port});
  }
  auto next = std::make_unique<const VniTable>(std::move(list));
  end.underlay().tunnels.store(next.get(), std::memory_order_seq_cst);
  reclaim_.retire(std::exchange(end.table, std::move(next)));
}

}  // namespace memswitch
