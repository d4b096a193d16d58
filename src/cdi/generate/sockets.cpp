#include "cdi/generate/sockets.h"

#include <unistd.h>

#include "base/format.h"

namespace flense::cdi {

namespace {

/// Daemons run beside the driver, or on the host itself.
void add_socket(const Discovery& discovery, const DriverRoot& root, std::string_view path,
                Edits& edits) {
  const DriverRoot host{discovery.machine.root, ""};
  for (const DriverRoot* one : {&root, &host}) {
    const auto node = one->tree.node(path);
    if (!node || node->kind == host::DeviceNode::Kind::kDirectory) continue;
    if (const auto real = one->on_host(path)) {
      edits.mounts.push_back(shared_mount(*real, fmt::format("/{}", path)));
      return;
    }
  }
}

/// A directory of the service under its default name, so that programs of the container find it.
/// Anybody may make the default one in /tmp: it counts when it is root's or ours.
void add_mps(Discovery& discovery, const std::string& named, std::string_view usual,
             std::string_view variable, Edits& edits) {
  const std::string path = named.empty() ? std::string(usual) : named;
  const host::Tree& root = discovery.machine.root;
  const auto node = root.node(path);
  if (!node || node->kind != host::DeviceNode::Kind::kDirectory) {
    if (!named.empty())
      discovery.note(fmt::format("${} is {}, which is not a directory", variable, named));
    return;
  }
  if (named.empty() && node->uid != 0 && node->uid != ::geteuid()) {
    discovery.note(fmt::format("{} belongs to user {}: left out; ${} names a directory to trust",
                               root.label(path), node->uid, variable));
    return;
  }
  if (const auto real = root.resolve(path))
    edits.mounts.push_back(shared_mount("/" + *real, std::string(usual)));
}

}  // namespace

void add_sockets(Discovery& discovery, const DriverRoot& root, Edits& edits) {
  if (discovery.wants(Capability::kUtility))
    add_socket(discovery, root, "run/nvidia-persistenced/socket", edits);
  if (!discovery.wants(Capability::kCompute)) return;
  add_socket(discovery, root, "run/nvidia-fabricmanager/socket", edits);
  add_mps(discovery, discovery.options.mps_pipe_directory, "/tmp/nvidia-mps",
          "CUDA_MPS_PIPE_DIRECTORY", edits);
  add_mps(discovery, discovery.options.mps_log_directory, "/var/log/nvidia-mps",
          "CUDA_MPS_LOG_DIRECTORY", edits);
}

}  // namespace flense::cdi
