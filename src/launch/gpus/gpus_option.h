// One value of --gpus in the syntax of Docker's command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense::launch {

struct GpuWords {
  bool all = false, none = false;
  std::optional<std::uint64_t> count;  ///< that many, no matter which
  std::vector<std::string> devices;    ///< indices, UUIDs, PCI addresses, GPU:INSTANCE, CDI names
  std::vector<std::string> capabilities;
  std::string driver;  ///< "nvidia", "amd"
  bool operator==(const GpuWords&) const = default;
};

/// "all", "none", "2", "0,1", "device=0,1", "\"device=0,1\"", "count=2,capabilities=utility".
/// A usage error says what was expected.
Result<GpuWords> parse_gpu_words(std::string_view value);

}  // namespace flense::launch
