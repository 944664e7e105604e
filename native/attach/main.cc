// The program that runs in a container: see relay.h. It stands alone, without Node, DPDK or any library of the image.
#include <sys/signalfd.h>

#include <bit>
#include <csignal>
#include <cstdio>

#include "attach/options.h"
#include "attach/relay.h"

namespace memswitch {

namespace {

InterfaceSetup setup_of(const AttachOptions& options) {
  InterfaceSetup setup{.mac = options.mac, .mtu = options.mtu};
  for (const std::string& address : options.addresses) {
    parse_prefix(address, setup.addresses.emplace_back());
  }
  for (const std::string& text : options.routes) {
    InterfaceRoute& route = setup.routes.emplace_back();
    const size_t space = text.find(' ');
    parse_prefix(text.substr(0, space), route.destination);
    if (space != std::string::npos) {
      IpAddress::parse(text.substr(space + 1), route.gateway);
    }
  }
  return setup;
}

EndpointOptions endpoint_of(const AttachOptions& options) {
  // A frame lies in one buffer: the kernel writes it there as a whole.
  const uint32_t longest = options.mtu + kMtuAllowance;
  const auto log2 = static_cast<uint8_t>(std::countr_zero(options.ring_size));
  EndpointOptions endpoint;
  endpoint.is_client = !options.serves;
  endpoint.place = {.socket = options.socket, .id = options.id};
  endpoint.interface.secret = options.secret;
  endpoint.interface.log2_ring_size = log2;
  endpoint.client = {.id = options.id,
                     .name = "memswitch-attach",
                     .secret = options.secret,
                     .log2_ring_size = log2,
                     .buffer_size = std::max(2048U, (longest + 63) / 64 * 64)};
  endpoint.tells_frames = false;
  return endpoint;
}

int fail(const Status& status) {
  std::fprintf(stderr, "memswitch attach: %s\n", status.message.c_str());
  return status.code == Code::kInvalid ? 2 : 1;
}

int run(int argc, char** argv) {
  AttachOptions options;
  if (Status status = parse_attach_options(argc, argv, options); !status.ok()) {
    return fail(status);
  }
  if (options.wants_help) {
    std::fputs(kAttachUsage, stdout);
    return 0;
  }
  // Before there is a second thread: all of them leave these signals to the descriptor.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  const UniqueFd stop(::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK));

  const TapOptions tap{.netns = options.netns,
                       .interface = options.interface,
                       .persistent = false,
                       .setup = setup_of(options)};
  const auto relay = std::make_unique<Relay>(tap, endpoint_of(options));
  if (Status status = relay->open(); !status.ok()) {
    return fail(status);
  }
  std::printf("memswitch attach ready interface=%s socket=%s\n", options.interface.c_str(),
              options.socket.c_str());
  std::fflush(stdout);
  const Status status = relay->run(stop.get());
  const Relay::Totals& totals = relay->totals();
  std::printf("memswitch attach: %llu frames to the switch, %llu from it, %llu dropped\n",
              static_cast<unsigned long long>(totals.to_switch),
              static_cast<unsigned long long>(totals.to_kernel),
              static_cast<unsigned long long>(totals.dropped));
  return status.ok() ? 0 : fail(status);
}

}  // namespace

}  // namespace memswitch

int main(int argc, char** argv) {
  return memswitch::run(argc, argv);
}
