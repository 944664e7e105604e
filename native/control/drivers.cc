#include "control/drivers.h"

#include <dirent.h>
#include <dlfcn.h>
#include <rte_build_config.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>
#include <vector>

namespace memswitch {

namespace {

constexpr std::string_view kMark = "PMD_INFO_STRING= ";
constexpr std::string_view kInstall = "; run: sudo apt-get install dpdk libdpdk-dev";

const std::string kFolder = RTE_EAL_PMD_PATH;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::vector<std::string> network_drivers() {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(kFolder.c_str()), ::closedir);
  constexpr std::string_view kPrefix = "librte_";
  constexpr std::string_view kSuffix = ".so";
  while (const dirent* entry = open ? ::readdir(open.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name.starts_with("librte_net_") && name.ends_with(kSuffix)) {
      names.emplace_back(
          name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size()));
    }
  }
  std::ranges::sort(names);
  return names;
}

struct Description {
  std::string driver;
  std::string text;
};

// Read once: they are 30 MB of files.
const std::vector<Description>& descriptions() {
  static const std::vector<Description> all = [] {
    std::vector<Description> list;
    for (const std::string& driver : network_drivers()) {
      const std::string content = read_file(driver_path(driver));
      for (size_t at = content.find(kMark); at != std::string::npos;
           at = content.find(kMark, at + 1)) {
        list.push_back({driver, content.c_str() + at});  // up to its NUL
      }
    }
    return list;
  }();
  return all;
}

// The first driver one of whose descriptions satisfies the question; '' for none.
template <typename Question>
std::string driver_that(const Question& question) {
  for (const Description& description : descriptions()) {
    if (question(description.text)) {
      return description.driver;
    }
  }
  return {};
}

bool contains(std::string_view text, const std::string& what) {
  return text.find(what) != std::string_view::npos;
}

// sysfs has it as 0x8086, the description as 32902.
std::string identifier(const std::string& device, const std::string& which) {
  const std::string text = read_file("/sys/bus/pci/devices/" + device + "/" + which);
  return text.empty() ? "" : std::to_string(std::strtoul(text.c_str(), nullptr, 16));
}

std::string pci_driver(const std::string& device) {
  const std::string ids = identifier(device, "vendor") + ", " + identifier(device, "device") + ",";
  return driver_that([&](std::string_view about) { return contains(about, "[" + ids); });
}

// net_tap0 is of net_tap. A name may end in any text: net_tap_web.
std::string virtual_driver(const std::string& device) {
  return driver_that([&](std::string_view about) {
    constexpr std::string_view kName = "\"name\": \"";
    const size_t from = about.find(kName);
    if (from == std::string_view::npos) {
      return false;
    }
    about.remove_prefix(from + kName.size());
    return device.starts_with(about.substr(0, about.find('"'))) &&
           contains(about, "\"pci_ids\": []");
  });
}

}  // namespace

std::string driver_path(const std::string& name) {
  return kFolder + "/librte_" + name + ".so";
}

bool is_pci_address(const std::string& device) {
  const std::string_view form = "xxxx:xx:xx.x";
  return device.size() == form.size() && std::ranges::equal(device, form, [](char c, char like) {
           return like == 'x' ? std::isxdigit(static_cast<unsigned char>(c)) != 0 : c == like;
         });
}

Status load_driver(const std::string& name) {
  if (::dlopen(driver_path(name).c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE) == nullptr) {
    return refuse(Code::kSystem, std::string("DPDK's driver could not be loaded: ") + ::dlerror() +
                                     std::string(kInstall));
  }
  return {};
}

Status load_driver_of(const std::string& device) {
  if (is_pci_address(device)) {
    const std::string path = "/sys/bus/pci/devices/" + device;
    if (read_file(path + "/vendor").empty()) {
      return refuse(Code::kNotFound, "no PCI device has the address " + device +
                                         "; run: lspci -D | grep -i ethernet");
    }
    const std::string driver = pci_driver(device);
    return driver.empty() ? refuse(Code::kNotFound, "no driver of DPDK in " + kFolder +
                                                        " knows the PCI device " + device)
                          : load_driver(driver);
  }
  const std::string driver = virtual_driver(device);
  return driver.empty()
             ? refuse(Code::kNotFound, "no driver of DPDK in " + kFolder + " makes a device \"" +
                                           device + "\"" + std::string(kInstall))
             : load_driver(driver);
}

}  // namespace memswitch
