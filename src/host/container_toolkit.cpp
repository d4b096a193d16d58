#include "host/container_toolkit.h"

#include "base/format.h"
#include "base/version_numbers.h"
#include "host/text_formats.h"

namespace flense::host {

std::vector<knowledge::ToolkitVulnerability> toolkit_vulnerabilities(
    const knowledge::ContainerToolkit& table, std::string_view version) {
  std::vector<knowledge::ToolkitVulnerability> out;
  for (const knowledge::ToolkitVulnerability& row : table.vulnerabilities)
    if (!version_at_least(version, row.fixed)) out.push_back(row);
  return out;
}

std::string toolkit_warning(const knowledge::ContainerToolkit& table, std::string_view version) {
  const auto open = toolkit_vulnerabilities(table, version);
  if (open.empty()) return {};
  std::vector<std::string> names;
  std::string fixed = "0";
  for (const knowledge::ToolkitVulnerability& one : open) {
    names.push_back(one.cve);
    if (version_at_least(one.fixed, fixed)) fixed = one.fixed;
  }
  return fmt::format("nvidia-container-toolkit {} is vulnerable to {}, fixed in {}: {}",
                     clean(version), fmt::join(names, ", "), fixed, open.back().what);
}

}  // namespace flense::host
