#include "cdi/generate/driver_root.h"

#include "base/format.h"
#include "host/probe.h"

namespace flense::cdi {

std::optional<std::string> DriverRoot::on_host(std::string_view path) const {
  const std::optional<std::string> real = tree.resolve(path);
  if (!real) return std::nullopt;
  return fmt::format("{}/{}", prefix, *real);
}

Result<DriverRoot> find_driver_root(Discovery& discovery) {
  const host::Tree& root = discovery.machine.root;
  std::string where = discovery.options.driver_root;
  if (where.empty())
    where = host::probe_nvidia_driver(discovery.machine).driver_root.value.value_or("/");
  const auto real = root.resolve(where);
  const auto tree = real ? root.below(*real, where) : std::nullopt;
  if (!tree)
    return fail(Code::kEnvironment, "the driver root {} is not a directory", root.label(where))
        .hint("--driver-root names the directory that holds the driver's usr/lib");
  return DriverRoot{*tree, real->empty() ? std::string() : "/" + *real};
}

}  // namespace flense::cdi
