// What is known against versions of NVIDIA's container toolkit; rows of
// data/container_toolkit.json.
#pragma once

#include <string>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct ToolkitVulnerability {
  std::string cve;    ///< "CVE-2025-23266"
  std::string fixed;  ///< the first version without it: "1.17.8"
  std::string what;   ///< what an image can do by it
};

struct ContainerToolkit {
  static ContainerToolkit read(const TableSet& tables);

  std::vector<ToolkitVulnerability> vulnerabilities;
};

}  // namespace flense::knowledge
