#include "control/probe.h"

#include <rte_devargs.h>
#include <rte_errno.h>
#include <unistd.h>

#include "control/drivers.h"
#include "control/eal.h"

namespace memswitch {

Status driver_error(const std::string& what, const std::string& name, int error) {
  const std::string log = take_eal_log();
  const bool forbidden = error == -EACCES || (error == -EPERM && ::geteuid() != 0);
  return refuse(forbidden ? Code::kPermission : Code::kSystem,
                what + " " + name + ": " + (log.empty() ? rte_strerror(-error) : log));
}

std::string name_in(const std::string& devargs) {
  const std::string name = devargs.substr(0, devargs.find(','));
  const std::string prefix = "pci:";
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

Status probe(const std::string& devargs, Probed& probed) {
  const std::string name = name_in(devargs);
  if (Status status = load_driver_of(name); !status.ok()) {
    return status;
  }
  if (rte_eth_dev_get_port_by_name(name.c_str(), &probed.number) == 0) {
    return refuse(Code::kInUse, "another port has the device " + name);
  }
  if (const int error = rte_dev_probe(devargs.c_str()); error != 0) {
    return driver_error("cannot open", name, error);
  }
  rte_dev_iterator iterator{};
  probed.number = RTE_MAX_ETHPORTS;
  if (rte_eth_iterator_init(&iterator, devargs.c_str()) == 0) {
    probed.number = rte_eth_iterator_next(&iterator);
    rte_eth_iterator_cleanup(&iterator);
  }
  if (probed.number == RTE_MAX_ETHPORTS &&
      rte_eth_dev_get_port_by_name(name.c_str(), &probed.number) != 0) {
    return driver_error("no Ethernet port came of", name, -ENODEV);
  }
  const int error = rte_eth_dev_info_get(probed.number, &probed.info);
  return error == 0 ? Status{} : driver_error("cannot ask", name, error);
}

}  // namespace memswitch
