#include "cdi/generate/mig.h"

#include <algorithm>

#include "base/format.h"
#include "base/numbers.h"
#include "host/text_formats.h"

namespace flense::cdi {

namespace {

constexpr std::uint64_t kMostMinors = 1u << 20;  // as many as the kernel allows a driver
constexpr std::size_t kMostInstances = 1024;
constexpr std::uint64_t kMinorsBytes = 4u << 20;

std::optional<std::uint32_t> minor_of(std::string_view text) {
  const auto number = parse_number(text);
  if (!number || *number >= kMostMinors) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

/// Numbers N of the folders gi<N> or ci<N>, in order.
std::vector<std::uint64_t> instances(const host::Tree& proc, const std::string& folder,
                                     std::string_view prefix) {
  std::vector<std::uint64_t> out;
  for (const std::string& name : proc.list(folder))
    if (name.starts_with(prefix))
      if (const auto number = parse_number(std::string_view(name).substr(prefix.size())))
        out.push_back(*number);
  std::ranges::sort(out);
  return out;
}

}  // namespace

std::map<std::string, std::uint32_t> parse_mig_minors(std::string_view text) {
  std::map<std::string, std::uint32_t> out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos || blank == 0 || blank > 64) continue;
    if (const auto minor = minor_of(line.substr(blank + 1)))
      out.emplace(line.substr(0, blank), *minor);
  }
  return out;
}

std::optional<std::uint32_t> parse_access(std::string_view text) {
  return minor_of(host::value_of(host::colon_pairs(text), "DeviceFileMinor"));
}

std::optional<std::vector<MigDevice>> mig_devices(Discovery& discovery, std::uint64_t gpu_minor) {
  const host::Tree& proc = discovery.machine.proc;
  const std::string gpu = fmt::format("driver/nvidia/capabilities/gpu{}/mig", gpu_minor);
  const std::vector<std::uint64_t> gpu_instances = instances(proc, gpu, "gi");
  if (gpu_instances.empty()) return std::nullopt;
  std::vector<MigDevice> out;
  std::optional<std::map<std::string, std::uint32_t>> minors;  // read when it is needed
  const auto cap = [&](const std::string& folder,
                       const std::string& key) -> std::optional<std::uint32_t> {
    if (const auto text = proc.read(folder + "/access"))
      if (const auto minor = parse_access(*text)) return minor;
    if (!minors) {
      const auto text = proc.read("driver/nvidia-caps/mig-minors", kMinorsBytes);
      minors = text ? parse_mig_minors(*text) : std::map<std::string, std::uint32_t>();
    }
    const auto at = minors->find(key);
    return at == minors->end() ? std::nullopt : std::optional(at->second);
  };
  for (const std::uint64_t gi : gpu_instances) {
    const std::string folder = fmt::format("{}/gi{}", gpu, gi);
    const auto gpu_cap = cap(folder, fmt::format("gpu{}/gi{}/access", gpu_minor, gi));
    for (const std::uint64_t ci : instances(proc, folder, "ci")) {
      const std::string inner = fmt::format("{}/ci{}", folder, ci);
      const auto compute_cap = cap(inner, fmt::format("gpu{}/gi{}/ci{}/access", gpu_minor, gi, ci));
      if (!gpu_cap || !compute_cap)
        discovery.leave_out(fmt::format(
            "{} lists no capability node: this MIG instance is left out", proc.label(inner)));
      else if (out.size() < kMostInstances)
        out.push_back({gi, ci, *gpu_cap, *compute_cap});
    }
  }
  return out;
}

}  // namespace flense::cdi
