#include "report/verdicts/cluster_needs.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"
#include "base/printable.h"
#include "base/version_numbers.h"
#include "device/target.h"

namespace flense::report {

using compat::Requirements;
using compat::ServedGpu;

std::string yaml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : printable(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::vector<unsigned> version_numbers(std::string_view version) {
  std::vector<unsigned> out;
  const char* at = version.data();
  const char* const end = at + version.size();
  while (at < end && out.size() < 3) {
    unsigned number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) break;
    out.push_back(number);
    at = next < end && *next == '.' ? next + 1 : end;
  }
  return out;
}

NvidiaNeeds nvidia_needs(const Requirements& needs) {
  const std::string native = needs.driver_native.value.value_or("");
  const std::string minor = needs.driver_minor.value.value_or(native);
  std::string ptx = needs.driver_ptx.value.value_or(native);
  if (compare_versions(ptx, minor) < 0) ptx = minor;
  Capabilities machine, compiled, unserved;
  unsigned newest = 0;
  for (const std::string& one : needs.unserved)
    if (const auto arch = device::parse_cuda_arch(one))
      unserved[arch->major()].insert(arch->minor());
  for (const ServedGpu& gpu : needs.gpus) {
    const auto arch = device::parse_cuda_arch(gpu.architecture);
    if (gpu.vendor != "nvidia" || !arch) continue;
    Capabilities& of = gpu.from_ptx.empty() || ptx == minor ? machine : compiled;
    of[arch->major()].insert(arch->minor());
    newest = std::max(newest, arch->major());
  }
  // What compiles for one may not be chosen for its neighbour with an older driver.
  Capabilities not_machine = unserved, not_compiled = unserved;
  for (const auto& [major, minors] : compiled)
    not_machine[major].insert(minors.begin(), minors.end());
  for (const auto& [major, minors] : machine)
    not_compiled[major].insert(minors.begin(), minors.end());
  NvidiaNeeds out{{{minor, machine, not_machine}, {ptx, compiled, not_compiled}}, std::nullopt};
  if (needs.ptx_onwards.value) out.onwards = newest;
  return out;
}

bool serves(const Requirements& needs, std::string_view vendor) {
  return std::ranges::find(needs.gpus, vendor, &ServedGpu::vendor) != needs.gpus.end();
}

std::string head_of(const Requirements& needs, std::string_view from) {
  std::string out =
      fmt::format("# What {} needs from {}, by flense.\n", printable(needs.name), from);
  const bool driver = needs.driver_native.value || needs.driver_minor.value;
  if (!driver && serves(needs, "nvidia"))
    out += fmt::format("# No driver is required, as the minimum is unknown: {}.\n",
                       printable(needs.driver_native.evidence));
  return out;
}

Failure nothing_known(const Requirements& needs) {
  return fail(Code::kEnvironment,
              "which GPUs {} serves is unknown or none, so no node can "
              "be chosen by them",
              needs.name)
      .hint(needs.disk_bytes.value ? "flense inspect shows its device code"
                                   : "let the layers be read");
}

}  // namespace flense::report
