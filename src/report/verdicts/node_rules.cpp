#include "report/verdicts/node_rules.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/format.h"
#include "report/verdicts/cluster_needs.h"

namespace flense::report {

namespace {

using compat::Requirements;
using compat::ServedGpu;

struct Expression {
  std::string key, op;
  std::vector<std::string> values;
};
/// All must hold.
using Term = std::vector<Expression>;
/// One must hold.
using Terms = std::vector<Term>;

// GPU feature discovery writes each number of the driver's version as a label, under these older
// names as well as under newer ones (cuda.driver-version.*).
constexpr std::string_view kDriver[] = {
    "nvidia.com/cuda.driver.major", "nvidia.com/cuda.driver.minor", "nvidia.com/cuda.driver.rev"};
constexpr std::string_view kMajor = "nvidia.com/gpu.compute.major",
                           kMinor = "nvidia.com/gpu.compute.minor";

/// Labels keep the leading zeros that versions have: 580.65.06.
Expression equals(std::string_view key, unsigned number) {
  Expression out{std::string(key), "In", {std::to_string(number)}};
  if (number < 10) out.values.push_back(fmt::format("0{}", number));
  return out;
}

Expression above(std::string_view key, unsigned number) {
  return {std::string(key), "Gt", {std::to_string(number)}};
}

/// At least `version`: major above, or equal and minor above, or both equal and revision at least.
Terms driver_at_least(const std::string& version) {
  const std::vector<unsigned> numbers = version_numbers(version);
  Terms out;
  Term same;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const bool last = i + 1 == numbers.size();
    Term term = same;
    // The last number may be equal; "at least 0" holds for any value.
    if (last && numbers[i] == 0) {
      out.push_back(std::move(term));
      break;
    }
    term.push_back(above(kDriver[i], last ? numbers[i] - 1 : numbers[i]));
    out.push_back(std::move(term));
    same.push_back(equals(kDriver[i], numbers[i]));
  }
  return out;
}

/// Majors and minors of which every pair that there is may be chosen.
struct Group {
  std::set<unsigned> majors, minors;
  bool without_volta = false;  ///< 7.0 would be one of them
};

bool is_volta(unsigned major, unsigned minor) {
  return major == 7 && minor < 5;
}

/// Few groups make few alternatives: of several majors, unless a GPU that the image does not serve
/// would be among them. GPU feature discovery has a word for Volta, the other half of major 7.
std::vector<Group> groups_of(const Capabilities& capabilities, const Capabilities& unserved) {
  std::vector<Group> out;
  for (const auto& [major, minors] : capabilities) {
    Group wider = out.empty() ? Group() : out.back();
    wider.majors.insert(major);
    wider.minors.insert(minors.begin(), minors.end());
    bool volta = false, other = false;
    for (const auto& [one, its] : unserved)
      for (const unsigned minor : its)
        if (wider.majors.contains(one) && wider.minors.contains(minor))
          (is_volta(one, minor) ? volta : other) = true;
    wider.without_volta = volta;
    const bool serves_volta = capabilities.contains(7) && is_volta(7, *capabilities.at(7).begin());
    if (out.empty())
      out.push_back(std::move(wider));
    else if (other || (volta && serves_volta))
      out.push_back({{major}, minors});
    else
      out.back() = std::move(wider);
  }
  return out;
}

Expression in(std::string_view key, const std::set<unsigned>& numbers) {
  Expression out{std::string(key), "In", {}};
  for (const unsigned one : numbers) out.values.push_back(std::to_string(one));
  return out;
}

void add_capabilities(const std::string& driver, const Capabilities& capabilities,
                      const Capabilities& unserved, Terms& out) {
  Terms drivers = driver_at_least(driver);
  if (drivers.empty()) drivers.emplace_back();
  for (const Group& group : groups_of(capabilities, unserved))
    for (const Term& least : drivers) {
      Term term = least;
      term.push_back(in(kMajor, group.majors));
      term.push_back(in(kMinor, group.minors));
      if (group.without_volta) term.push_back({"nvidia.com/gpu.family", "NotIn", {"volta"}});
      out.push_back(std::move(term));
    }
}

Terms nvidia_terms(const NvidiaNeeds& needs) {
  Terms out;
  for (const NvidiaGroup& group : needs.groups)
    add_capabilities(group.driver, group.capabilities, group.unserved, out);
  if (!needs.onwards) return out;
  // The first driver of a GPU that is newer than all is newer than all, too: its major will do.
  Term newer;
  if (const std::vector<unsigned> numbers = version_numbers(needs.groups.back().driver);
      !numbers.empty() && numbers[0] > 0)
    newer.push_back(above(kDriver[0], numbers[0] - 1));
  newer.push_back(above(kMajor, *needs.onwards));
  out.push_back(std::move(newer));
  return out;
}

/// AMD's own labels do not carry the gfx target; flense host --labels writes it.
Terms amd_terms(const Requirements& needs) {
  Terms out;
  for (const ServedGpu& gpu : needs.gpus)
    if (gpu.vendor == "amd" && gpu.architecture.find("generic") == std::string::npos)
      out.push_back({{"flense.dev/gpu." + gpu.architecture, "Exists", {}}});
  return out;
}

/// What every alternative asks, whatever the GPU.
Term common_terms(const Requirements& needs) {
  Term out;
  if (const std::string platform = needs.platform.value.value_or("");
      platform.starts_with("linux/")) {
    const std::string rest = platform.substr(6);
    out.push_back({"kubernetes.io/os", "In", {"linux"}});
    out.push_back({"kubernetes.io/arch", "In", {rest.substr(0, rest.find('/'))}});
  }
  return out;
}

/// The flags of a level that Node Feature Discovery labels by default.
std::vector<std::string> flags_of_level(const Requirements& needs) {
  const std::string level = needs.cpu_level.value.value_or("");
  if (level == "x86-64-v3") return {"AVX2", "FMA3"};
  if (level == "x86-64-v4") return {"AVX512BW", "AVX512CD", "AVX512DQ", "AVX512F", "AVX512VL"};
  return {};
}

Terms gpu_terms(const Requirements& needs) {
  Terms out = nvidia_terms(nvidia_needs(needs));
  for (Term& term : amd_terms(needs)) out.push_back(std::move(term));
  return out;
}

std::string head(const Requirements& needs, std::size_t alternatives) {
  std::string out = head_of(needs, "a node");
  constexpr std::size_t kFew = 5;
  if (alternatives > kFew)
    out += fmt::format(
        "# {} alternatives: a least driver takes three for each group of GPUs, since labels hold "
        "its numbers apart.\n",
        alternatives);
  if (serves(needs, "amd"))
    out += "# AMD's node labeller does not write the gfx target; flense host --labels does.\n";
  return out;
}

std::string values_yaml(const std::vector<std::string>& values) {
  std::string out;
  for (const std::string& value : values) out += (out.empty() ? "" : ", ") + yaml_text(value);
  return "[" + out + "]";
}

std::string feature_yaml(std::string_view indent, const Term& term) {
  std::string out =
      fmt::format("{}- feature: local.label\n{}  matchExpressions:\n", indent, indent);
  for (const Expression& one : term) {
    out += fmt::format("{}    {}: {{op: {}", indent, yaml_text(one.key), one.op);
    if (!one.values.empty()) out += fmt::format(", value: {}", values_yaml(one.values));
    out += "}\n";
  }
  return out;
}

}  // namespace

Result<std::string> node_affinity(const Requirements& needs) {
  Terms terms = gpu_terms(needs);
  if (terms.empty()) return nothing_known(needs);
  Term common = common_terms(needs);
  for (const std::string& flag : flags_of_level(needs))
    common.push_back({"feature.node.kubernetes.io/cpu-cpuid." + flag, "In", {"true"}});
  std::string out = head(needs, terms.size()) +
                    "affinity:\n"
                    "  nodeAffinity:\n"
                    "    requiredDuringSchedulingIgnoredDuringExecution:\n"
                    "      nodeSelectorTerms:\n";
  for (Term& term : terms) {
    term.insert(term.end(), common.begin(), common.end());
    out += "        - matchExpressions:\n";
    for (const Expression& one : term) {
      out += fmt::format("            - key: {}\n              operator: {}\n", yaml_text(one.key),
                         one.op);
      if (!one.values.empty())
        out += fmt::format("              values: {}\n", values_yaml(one.values));
    }
  }
  return out;
}

Result<std::string> nfd_compatibility(const Requirements& needs) {
  const Terms terms = gpu_terms(needs);
  if (terms.empty()) return nothing_known(needs);
  std::string out = head(needs, terms.size()) + "version: v1alpha1\ncompatibilities:\n";
  out += fmt::format("- description: {}\n  rules:\n",
                     yaml_text("GPU, driver and processor for " + needs.name));
  out += "  - name: \"gpu and driver\"\n    matchAny:\n";
  for (const Term& term : terms) out += "    - matchFeatures:\n" + feature_yaml("      ", term);
  if (const std::vector<std::string> flags = flags_of_level(needs); !flags.empty()) {
    out +=
        "  - name: \"processor\"\n    matchFeatures:\n    - feature: cpu.cpuid\n"
        "      matchExpressions:\n";
    for (const std::string& flag : flags)
      out += fmt::format("        {}: {{op: Exists}}\n", yaml_text(flag));
  }
  return out;
}

}  // namespace flense::report
