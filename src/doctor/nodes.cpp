#include "doctor/nodes.h"

#include <algorithm>
#include <cerrno>

#include "base/format.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

// What stat(2) shows for an owner that the user namespace does not map.
constexpr std::uint32_t kOverflow = 65534;
constexpr std::uint32_t kReadWrite = 6;

}  // namespace

Access access_of(const host::DeviceNode& node, const User& user) {
  if (node.refusal) {
    if (*node.refusal == 0) return Access::kYes;
    if (*node.refusal == EPERM) return Access::kDenied;
    return *node.refusal == EACCES ? Access::kNo : Access::kUnknown;
  }
  const auto allows = [&](unsigned shift) {
    return (node.mode >> shift & kReadWrite) == kReadWrite;
  };
  if (allows(0) && allows(3) && allows(6)) return Access::kYes;
  if (!user.known) return Access::kUnknown;
  if (user.uid == 0 && node.uid != kOverflow) return Access::kYes;
  if (user.uid == node.uid) return allows(6) ? Access::kYes : Access::kNo;
  const bool member = user.gid == node.gid || std::find(user.groups.begin(), user.groups.end(),
                                                        node.gid) != user.groups.end();
  if (member && node.gid == kOverflow) return Access::kUnknown;  // one of the unmapped ones
  return allows(member ? 3 : 0) ? Access::kYes : Access::kNo;
}

std::string group_name(const host::Tree& root, std::uint32_t gid) {
  const Result<std::string> text = root.read("etc/group", 1u << 20);
  const std::string wanted = fmt::format(":{}:", gid);
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t name = line.find(':');
    const std::size_t password = name == std::string_view::npos ? name : line.find(':', name + 1);
    if (password != std::string_view::npos && line.substr(password).starts_with(wanted))
      return host::clean(line.substr(0, name));
  }
  return std::to_string(gid);
}

std::optional<std::string> join_group(const Scene& scene, const host::DeviceNode& node) {
  constexpr unsigned kOfGroup = 3;
  if (node.gid == 0 || (node.mode >> kOfGroup & kReadWrite) != kReadWrite) return std::nullopt;
  if (scene.in_container())
    return node.gid == kOverflow
               ? "run with --group-add keep-groups (rootless Podman with crun)"
               : fmt::format(
                     "run with a group that may: --group-add {}, or --group-add keep-groups "
                     "under rootless Podman with crun",
                     node.gid);
  const std::string group = group_name(scene.machine.root, node.gid);
  if (group == std::to_string(node.gid)) return std::nullopt;
  return scene.tools.command(fmt::format("usermod -aG {} USER", group)) + ", and log in again";
}

std::string rights_of(const Scene& scene, const host::DeviceNode& node) {
  return fmt::format("mode {:04o}, owner {}, group {}", node.mode, node.uid,
                     group_name(scene.machine.root, node.gid));
}

std::string describe(const host::DeviceNode& node) {
  switch (node.kind) {
    case host::DeviceNode::Kind::kDevice:
      return fmt::format("device {}:{}", node.major, node.minor);
    case host::DeviceNode::Kind::kFile:
      return "a plain file";
    case host::DeviceNode::Kind::kDirectory:
      return "a directory";
    case host::DeviceNode::Kind::kOther:
      return "no device";
  }
  return "no device";
}

}  // namespace flense::doctor
