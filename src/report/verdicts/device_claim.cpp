#include "report/verdicts/device_claim.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "report/verdicts/cluster_needs.h"

namespace flense::report {

namespace {

constexpr std::string_view kAttributes = "device.attributes[\"gpu.nvidia.com\"]";
constexpr std::string_view kCapability =
    "device.attributes[\"gpu.nvidia.com\"].cudaComputeCapability";

/// Semantic versions have three numbers and no leading zeros: 580.65.06 is published as 580.65.6.
std::string semantic(std::string_view version) {
  std::vector<unsigned> numbers = version_numbers(version);
  numbers.resize(3);
  return fmt::format("{}.{}.{}", numbers[0], numbers[1], numbers[2]);
}

std::string one_major(unsigned major, const std::set<unsigned>& minors) {
  std::string list;
  for (const unsigned minor : minors) list += fmt::format("{}{}", list.empty() ? "" : ", ", minor);
  return fmt::format("{0}.major() == {1} && {0}.minor() in [{2}]", kCapability, major, list);
}

/// Compute capabilities that one least driver serves; one must hold.
struct Served {
  std::string driver;  ///< empty: none is asked for
  std::vector<std::string> capabilities;
};

std::vector<Served> served_by(const NvidiaNeeds& needs) {
  std::vector<Served> out;
  for (const NvidiaGroup& group : needs.groups) {
    if (out.empty() || out.back().driver != group.driver) out.push_back({group.driver, {}});
    for (const auto& [major, minors] : group.capabilities)
      out.back().capabilities.push_back(one_major(major, minors));
  }
  if (needs.onwards)
    out.back().capabilities.push_back(fmt::format("{}.major() > {}", kCapability, *needs.onwards));
  std::erase_if(out, [](const Served& one) { return one.capabilities.empty(); });
  return out;
}

std::string expression_lines(const std::vector<Served>& served, std::string_view indent) {
  std::string out;
  for (const Served& one : served) {
    if (!out.empty()) out += fmt::format("{}||\n", indent);
    out += fmt::format("{}(", indent);
    if (!version_numbers(one.driver).empty())
      out += fmt::format("{}.driverVersion.compareTo(semver(\"{}\")) >= 0 &&", kAttributes,
                         semantic(one.driver));
    out += "\n";
    for (std::size_t i = 0; i < one.capabilities.size(); ++i) {
      const bool last = i + 1 == one.capabilities.size();
      out += fmt::format("{} {}{}{}\n", indent, i == 0 ? "(" : " ", one.capabilities[i],
                         last ? "))" : " ||");
    }
  }
  return out;
}

/// The last part of a reference as the name of an object: letters, digits and dashes, at most 63.
std::string object_name(std::string_view reference) {
  reference = reference.substr(0, reference.find('@'));
  reference.remove_prefix(std::min(reference.find_last_of('/') + 1, reference.size()));
  std::string out;
  for (const char c : reference.substr(0, reference.find(':'))) {
    if (is_alphanumeric(c))
      out += lower(c);
    else if (!out.empty() && out.back() != '-')
      out += '-';
    if (out.size() == 59) break;
  }
  while (out.ends_with('-')) out.pop_back();
  return (out.empty() ? "image" : out) + "-gpu";
}

}  // namespace

Result<std::string> device_claim(const compat::Requirements& needs) {
  const std::vector<Served> served = served_by(nvidia_needs(needs));
  if (served.empty()) {
    if (serves(needs, "amd"))
      return fail(Code::kEnvironment,
                  "{} serves AMD GPUs, of which no driver publishes the gfx target", needs.name)
          .hint("--emit node-affinity chooses nodes by their labels");
    return nothing_known(needs);
  }
  std::string out = head_of(needs, "a GPU");
  out +=
      "# A pod takes it by resourceClaims and containers[].resources.claims. What no device tells\n"
      "# (the node's architecture and processor) is in flense check --emit node-affinity.\n"
      "apiVersion: resource.k8s.io/v1\n"
      "kind: ResourceClaimTemplate\n"
      "metadata:\n";
  out += fmt::format("  name: {}\n", object_name(needs.name));
  out +=
      "spec:\n"
      "  spec:\n"
      "    devices:\n"
      "      requests:\n"
      "        - name: gpu\n"
      "          exactly:\n"
      "            deviceClassName: gpu.nvidia.com\n"
      "            selectors:\n"
      "              - cel:\n"
      "                  expression: |-\n";
  out += expression_lines(served, "                    ");
  return out;
}

}  // namespace flense::report
