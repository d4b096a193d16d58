#include "slim/candidates/jit_caches.h"

#include <algorithm>

#include "base/path.h"
#include "inventory/names/jit_metadata.h"
#include "text/json.h"

namespace flense::slim {

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

/// The GPUs that FlashInfer compiled for: "80_90a"; empty outside of its cache.
std::string_view flashinfer_gpus(std::string_view path) {
  constexpr std::string_view kCache = ".cache/flashinfer/";
  const std::size_t at = path.find(kCache);
  if (at == std::string_view::npos || (at > 0 && path[at - 1] != '/')) return {};
  const std::string_view version = inventory::up_to_component(path, at + kCache.size());
  if (version.empty()) return {};
  const std::string_view folder = inventory::up_to_component(path, version.size() + 1);
  return folder.empty() ? folder : base_name(folder);
}

Fit fit_of_list(std::string_view gpus, const device::Targets& targets) {
  if (gpus.empty() || targets.cuda.empty()) return Fit::kUnknown;
  Fit out = Fit::kOtherGpu;
  while (!gpus.empty()) {
    const std::size_t end = gpus.find('_');
    const auto arch = device::parse_cuda_arch(gpus.substr(0, end));
    if (!arch) return Fit::kUnknown;
    if (std::ranges::any_of(targets.cuda,
                            [&](device::CudaArch gpu) { return gpu.number == arch->number; }))
      out = Fit::kServes;
    gpus.remove_prefix(end == std::string_view::npos ? gpus.size() : end + 1);
  }
  return out;
}

/// What serves a target by one kernel stays as a whole.
Fit merged(Fit one, Fit other) {
  if (one == Fit::kServes || other == Fit::kServes) return Fit::kServes;
  return one == other ? one : Fit::kUnknown;
}

}  // namespace

JitCaches JitCaches::find(const inventory::Contents& contents, const device::Targets& targets) {
  JitCaches out;
  out.targets_ = targets;
  for (const auto& scan : contents.scans()) {
    for (const auto& [index, text] : scan->texts) {
      const std::string_view path = scan->listing->at(index).path;
      if (!inventory::is_jit_metadata(path)) continue;
      const Result<text::Json> json = text::parse_json(text, std::string(path));
      const Fit fit = json ? fit_of((*json)["target"], targets) : Fit::kUnknown;
      const auto [at, fresh] = out.folders_.try_emplace(std::string(parent_path(path)), fit);
      // Two answers for one folder are none.
      if (!fresh && at->second != fit) at->second = Fit::kUnknown;
      if (const std::string_view tree = inventory::compiler_tree(path); !tree.empty()) {
        const auto [known, first] = out.trees_.try_emplace(std::string(tree), fit);
        known->second = merged(known->second, fit);
      }
    }
  }
  return out;
}

Fit JitCaches::fit(std::string_view path) const {
  if (const auto tree = trees_.find(inventory::compiler_tree(path)); tree != trees_.end())
    return tree->second;
  if (const auto found = folders_.find(parent_path(path)); found != folders_.end())
    return found->second;
  return fit_of_list(flashinfer_gpus(path), targets_);
}

bool JitCaches::takes(const inventory::WasteRule& rule, std::string_view path,
                      device::Level level) const {
  // PyTorch's default place is one of temporary files.
  const bool asked = rule.by_gpu || !inventory::compiler_tree(path).empty();
  const Fit fit = asked ? this->fit(path) : Fit::kUnknown;
  if (fit == Fit::kServes) return false;
  if (fit == Fit::kOtherGpu && level >= device::Level::kStandard) return true;
  return inventory::applies_at(rule, level);
}

}  // namespace flense::slim
