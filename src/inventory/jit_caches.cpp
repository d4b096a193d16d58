#include "inventory/jit_caches.h"

#include <algorithm>

#include "base/path.h"
#include "text/json.h"

namespace flense::inventory {

namespace {

using Fit = JitCaches::Fit;

Fit fit_of(const text::Json& target, const device::Targets& targets) {
  const std::string_view backend = target["backend"].text();
  if (backend == "cuda" && !targets.cuda.empty()) {
    const std::uint64_t arch = target["arch"].unsigned_or(0);
    if (arch == 0) return Fit::kUnknown;
    return std::ranges::any_of(targets.cuda,
                               [&](device::CudaArch gpu) { return gpu.number == arch; })
               ? Fit::kServes
               : Fit::kOtherGpu;
  }
  if (backend == "hip" && !targets.amd.empty()) {
    const std::string_view arch = target["arch"].text();
    if (arch.empty()) return Fit::kUnknown;
    const auto plain = [](std::string_view name) { return name.substr(0, name.find(':')); };
    return std::ranges::any_of(targets.amd,
                               [&](const std::string& gpu) { return plain(gpu) == plain(arch); })
               ? Fit::kServes
               : Fit::kOtherGpu;
  }
  return Fit::kUnknown;
}

}  // namespace

bool is_jit_metadata(std::string_view path) {
  constexpr std::string_view kCache = ".triton/cache/";
  const std::size_t at = path.find(kCache);
  if (at == std::string_view::npos || !path.ends_with(".json")) return false;
  const std::string_view rest = path.substr(at + kCache.size());
  // "__grp__NAME.json" lists the files of the folder.
  return std::ranges::count(rest, '/') == 1 && !base_name(path).starts_with("__grp__");
}

JitCaches JitCaches::find(const Contents& contents, const device::Targets& targets) {
  JitCaches out;
  for (const auto& scan : contents.scans()) {
    for (const auto& [index, text] : scan->texts) {
      const std::string_view path = scan->listing->at(index).path;
      if (!is_jit_metadata(path)) continue;
      const Result<text::Json> json = text::parse_json(text, std::string(path));
      const Fit fit = json ? fit_of((*json)["target"], targets) : Fit::kUnknown;
      const auto [at, fresh] = out.folders_.try_emplace(std::string(parent_path(path)), fit);
      // Two answers for one folder are none.
      if (!fresh && at->second != fit) at->second = Fit::kUnknown;
    }
  }
  return out;
}

Fit JitCaches::fit(std::string_view path) const {
  const auto found = folders_.find(parent_path(path));
  return found == folders_.end() ? Fit::kUnknown : found->second;
}

bool JitCaches::takes(const WasteRule& rule, std::string_view path, device::Level level) const {
  const Fit fit = rule.by_gpu ? this->fit(path) : Fit::kUnknown;
  if (fit == Fit::kServes) return false;
  if (fit == Fit::kOtherGpu && level >= device::Level::kStandard) return true;
  return applies_at(rule, level);
}

}  // namespace flense::inventory
