// Known problems of versions of NVIDIA's container toolkit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "knowledge/container_toolkit.h"

namespace flense::host {

/// Those that `version` ("1.16.1-1") still has, as the table lists them.
std::vector<knowledge::ToolkitVulnerability> toolkit_vulnerabilities(
    const knowledge::ContainerToolkit& table, std::string_view version);

/// "nvidia-container-toolkit 1.16.1-1 is vulnerable to CVE-… and CVE-…, fixed in 1.17.8"; empty
/// when nothing is known against it.
std::string toolkit_warning(const knowledge::ContainerToolkit& table, std::string_view version);

}  // namespace flense::host
