#include "attach/options.h"

#include <getopt.h>
#include <sys/stat.h>

#include <bit>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>

#include "control/netlink.h"
#include "dataplane/frame.h"
#include "memif/wire.h"

namespace memswitch {

namespace {

using Take = std::function<bool(const std::string& value)>;

template <typename Number>
Take number(Number& to, Number low, Number high) {
  return [&to, low, high](const std::string& value) {
    Number read = 0;
    const char* const end = value.data() + value.size();
    const auto [rest, error] = std::from_chars(value.data(), end, read);
    to = read;
    return error == std::errc{} && rest == end && read >= low && read <= high;
  };
}

Take text(std::string& to, size_t longest) {
  return [&to, longest](const std::string& value) {
    to = value;
    return !value.empty() && value.size() <= longest;
  };
}

bool is_address(const std::string& value) {
  Prefix prefix;
  return parse_prefix(value, prefix);
}

bool is_route(const std::string& value) {
  const size_t space = value.find(' ');
  IpAddress gateway;
  return is_address(value.substr(0, space)) &&
         (space == std::string::npos || IpAddress::parse(value.substr(space + 1), gateway));
}

// The values of a list that is separated by commas, each as it is checked.
Take list(std::vector<std::string>& to, bool (*check)(const std::string&)) {
  return [&to, check](const std::string& value) {
    for (size_t from = 0; from <= value.size();) {
      const size_t end = std::min(value.find(',', from), value.size());
      to.push_back(value.substr(from, end - from));
      if (!check(to.back())) {
        return false;
      }
      from = end + 1;
    }
    return true;
  };
}

// By the names of the command line.
std::map<std::string, Take> takers(AttachOptions& options) {
  return {
      {"id", number<uint32_t>(options.id, 0, UINT32_MAX)},
      {"secret", text(options.secret, memif::kSecretSize - 1)},
      {"interface", text(options.interface, 15)},
      {"mac",
       [&](const std::string& value) {
         return parse_mac(value, options.mac) && !is_group(mac_of_number(options.mac));
       }},
      {"mtu", number<uint32_t>(options.mtu, kMinMtu, kMaxMtu)},
      {"ip", list(options.addresses, is_address)},
      {"route", list(options.routes, is_route)},
      {"netns", text(options.netns, 4096)},
      {"ring-size",
       [&](const std::string& value) {
         return number<uint16_t>(options.ring_size, 2, 1 << memif::kMaxLog2RingSize)(value) &&
                std::has_single_bit(options.ring_size);
       }},
      {"role",
       [&](const std::string& value) {
         options.serves = value == "server";
         return options.serves || value == "client";
       }},
  };
}

std::string shown(const std::string& name, const std::string& value) {
  return name == "secret" || name == "MEMIF_SECRET" ? "(a secret)" : value;
}

const std::map<std::string, std::string> kFileNames = {
    {"MEMIF_ID", "id"},        {"MEMIF_SECRET", "secret"}, {"MEMIF_INTERFACE", "interface"},
    {"MEMIF_MAC", "mac"},      {"MEMIF_MTU", "mtu"},       {"MEMIF_IP", "ip"},
    {"MEMIF_ROUTES", "route"},
};

}  // namespace

Status parse_attach_file(std::istream& file, const std::string& path, AttachOptions& options) {
  const std::map<std::string, Take> known = takers(options);
  for (std::string line; std::getline(file, line);) {
    const size_t equals = line.find('=');
    if (equals == std::string::npos || equals + 1 == line.size()) {
      continue;
    }
    const std::string name = line.substr(0, equals);
    const std::string value = line.substr(equals + 1);
    if (name == "MEMIF_SOCKET") {
      const bool beside = value[0] != '/' && value[0] != '@';
      options.socket = beside ? path.substr(0, path.rfind('/') + 1) + value : value;
    } else if (const auto found = kFileNames.find(name);
               found != kFileNames.end() && !known.at(found->second)(value)) {
      return refuse(Code::kInvalid, path + ": wrong value: " + name + "=" + shown(name, value));
    }
  }
  return options.socket.empty() ? refuse(Code::kInvalid, path + ": has no line MEMIF_SOCKET=…")
                                : Status{};
}

namespace {

Status take_place(const std::string& place, AttachOptions& options) {
  struct stat status {};
  if (::stat(place.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
    std::ifstream file(place);
    return parse_attach_file(file, place, options);
  }
  if (place.size() < 2 || (place[0] != '/' && place[0] != '@')) {
    return refuse(Code::kInvalid, place +
                                      ": must be a socket (an absolute path, or @name for an "
                                      "abstract one), or a file that says where it is");
  }
  options.socket = place;
  return {};
}

}  // namespace

// Twice over the options: the file that is named behind them must not overrule them.
Status parse_attach_options(int argc, char** argv, AttachOptions& options) {
  const std::map<std::string, Take> known = takers(options);
  std::vector<option> table;
  for (const auto& [name, take] : known) {
    table.push_back({name.c_str(), required_argument, nullptr, 0});
  }
  table.push_back({"help", no_argument, nullptr, 'h'});
  table.push_back({nullptr, 0, nullptr, 0});
  std::vector<std::pair<std::string, std::string>> given;
  for (int at = 0, what = 0; (what = ::getopt_long(argc, argv, "h", table.data(), &at)) != -1;) {
    if (what == 'h') {
      options.wants_help = true;
      return {};
    }
    if (what != 0) {
      return refuse(Code::kInvalid, "see: memswitch-attach --help");
    }
    given.emplace_back(table[static_cast<size_t>(at)].name, optarg);
  }
  if (optind + 1 != argc) {
    return refuse(Code::kInvalid, "name one socket, or one file; see: memswitch-attach --help");
  }
  if (const char* secret = std::getenv("MEMIF_SECRET"); secret != nullptr) {
    given.emplace(given.begin(), "secret", secret);
  }
  if (Status status = take_place(argv[optind], options); !status.ok()) {
    return status;
  }
  for (const auto& [name, value] : given) {
    if (!known.at(name)(value)) {
      return refuse(Code::kInvalid, "--" + name + ": wrong value: " + shown(name, value));
    }
  }
  return {};
}

}  // namespace memswitch
