#include "host/container_toolkit.h"

#include "base/format.h"
#include "base/version_numbers.h"
#include "host/parse.h"
#include "knowledge/tables.h"
#include "text/json.h"

namespace flense::host {

std::vector<Vulnerability> toolkit_vulnerabilities(std::string_view version) {
  std::vector<Vulnerability> out;
  const auto json =
      text::parse_json(knowledge::embedded_table("container_toolkit"), "container_toolkit.json");
  if (!json) return out;
  for (const text::Json& row : (*json)["vulnerabilities"]["rows"].items())
    if (const std::string_view fixed = row["fixed"].text(); !version_at_least(version, fixed))
      out.push_back(
          {std::string(row["cve"].text()), std::string(fixed), std::string(row["what"].text())});
  return out;
}

std::string toolkit_warning(std::string_view version) {
  const std::vector<Vulnerability> open = toolkit_vulnerabilities(version);
  if (open.empty()) return {};
  std::vector<std::string> names;
  std::string fixed = "0";
  for (const Vulnerability& one : open) {
    names.push_back(one.cve);
    if (version_at_least(one.fixed, fixed)) fixed = one.fixed;
  }
  return fmt::format("nvidia-container-toolkit {} is vulnerable to {}, fixed in {}: {}",
                     clean(version), fmt::join(names, ", "), fixed, open.back().what);
}

}  // namespace flense::host
