// Known problems of versions of NVIDIA's container toolkit (data/container_toolkit.json).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace flense::host {

struct Vulnerability {
  std::string cve;    ///< "CVE-2025-23266"
  std::string fixed;  ///< the first version without it: "1.17.8"
  std::string what;   ///< what an image can do by it
  bool operator==(const Vulnerability&) const = default;
};

/// Those that `version` ("1.16.1-1") still has, as the table lists them.
std::vector<Vulnerability> toolkit_vulnerabilities(std::string_view version);

/// "nvidia-container-toolkit 1.16.1-1 is open to CVE-… and CVE-…, fixed in 1.17.8"; empty when
/// nothing is known against it.
std::string toolkit_warning(std::string_view version);

}  // namespace flense::host
