// The Python that a program in this environment would run, and what its packages say about
// themselves. Nothing is imported or executed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/scene.h"

namespace flense::doctor {

/// torch/version.py, as PyTorch's build writes it.
struct TorchVersion {
  std::string version;              ///< "2.7.1+cu126"
  std::optional<std::string> cuda;  ///< "12.6"; nullopt: None
  std::optional<std::string> hip, xpu;
  bool operator==(const TorchVersion&) const = default;
};
/// nullopt when no version is assigned.
std::optional<TorchVersion> parse_torch_version(std::string_view text);

struct Python {
  std::string program;                ///< "/opt/venv/bin/python3"; empty: none on PATH
  std::vector<std::string> packages;  ///< directories that it imports from, without a leading slash
};
Python visible_python(const Scene& scene);

}  // namespace flense::doctor
