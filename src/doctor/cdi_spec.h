// What a CDI specification (container-device-interface SPEC.md) requires of the host: enough to
// tell whether it belongs to an earlier driver or boot.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flense::doctor {

struct CdiNode {
  std::string path;  ///< on the host
  std::optional<std::uint64_t> major;
  bool operator==(const CdiNode&) const = default;
};

struct CdiSpec {
  std::string kind;                ///< "nvidia.com/gpu"
  std::vector<std::string> files;  ///< of mounts and hooks, on the host
  std::vector<CdiNode> nodes;
};

/// JSON by its grammar; YAML as generators write it, one key a line (block style). nullopt:
/// neither, or no kind is found. At most 4096 files and nodes.
std::optional<CdiSpec> parse_cdi_spec(std::string_view text);

}  // namespace flense::doctor
