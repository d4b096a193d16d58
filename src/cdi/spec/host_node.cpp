#include "cdi/spec/host_node.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <string_view>

#include "base/path.h"

namespace flense::cdi {

namespace {

constexpr std::string_view kDev = "/dev/";

std::optional<HostNode> of_status(const std::string& path, const struct stat& status) {
  HostNode out{path, "", 0, 0};
  if (S_ISFIFO(status.st_mode)) {
    out.type = "p";
    return out;
  }
  if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode)) return std::nullopt;
  out.type = S_ISCHR(status.st_mode) ? "c" : "b";
  out.major = static_cast<std::int64_t>(major(status.st_rdev));
  out.minor = static_cast<std::int64_t>(minor(status.st_rdev));
  return out;
}

}  // namespace

const std::string& host_path_of(const DeviceNode& node) {
  return node.host_path.empty() ? node.path : node.host_path;
}

std::optional<HostNode> look_up(const std::string& path, const host::Tree& dev) {
  if (path.starts_with(kDev)) {
    const std::string_view name = std::string_view(path).substr(kDev.size());
    const auto real = dev.resolve(name);
    const auto node = dev.node(name);
    if (!real || !node || node->kind != host::DeviceNode::Kind::kDevice) return std::nullopt;
    return HostNode{std::string(kDev) + *real, "c", node->major, node->minor};
  }
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return of_status(path, status);
}

std::string why_missing(const std::string& path, const host::Tree& dev) {
  struct stat status{};
  if (!path.starts_with(kDev))
    return fmt::format(
        "{} {}", path,
        ::lstat(path.c_str(), &status) == 0 ? "is not a device node" : "is not there");
  const std::string_view name = std::string_view(path).substr(kDev.size());
  if (dev.exists(name)) return fmt::format("{} is not a character device", path);
  const std::vector<std::string> names = dev.list(parent_path(name));
  const bool link = std::ranges::find(names, base_name(name)) != names.end();
  return fmt::format("{} {}", path,
                     link ? "is a link that leads to nothing in /dev" : "is not there");
}

}  // namespace flense::cdi
