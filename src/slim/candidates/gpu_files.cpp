#include "slim/candidates/gpu_files.h"

#include <elf.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/path.h"
#include "image/layers/layer_walk.h"
#include "inventory/scan/amd_files.h"

namespace flense::slim {

namespace {

/// Files below a directory of this name, wherever it lies, serve GPUs of the compute capabilities
/// [from, below), as 10 * major + minor.
struct Range {
  std::string_view directory;
  unsigned from = 0, below = 0;
};

constexpr Range kRanges[] = {
    // triton/profiler/profile.py takes cupti-blackwell where arch >= 100, else cupti.
    {"triton/backends/nvidia/lib/cupti-blackwell/", 100, 10'000},
    {"triton/backends/nvidia/lib/cupti/", 0, 100},
    // For no CUDA GPU: triton/backends/amd/compiler.py opens these when it compiles for a gfx
    // target, not before.
    {"triton/backends/amd/lib/", 0, 0},
};

/// Bitcode of one library for each architecture: PREFIX, number, SUFFIX. Bitcode is compiled for
/// the GPU at hand, so that of an older architecture may serve a newer GPU that has none.
struct Family {
  std::string_view prefix, suffix;
};

constexpr Family kFamilies[] = {{"libnvshmem_device_sm_", ".bc"}};

/// What TensorRT's builder opens for the GPU at hand: libnvinfer_builder_resource_sm86.so.10.8.0.
/// One of an older minor serves where a GPU has none of its own (sm_87 takes that of sm_86), so all
/// of a target's major up to its minor stay. `_ptx` serves all.
constexpr std::string_view kBuilderResource = "libnvinfer_builder_resource_sm";

bool is_resource_for_others(std::string_view path, const device::Targets& targets) {
  std::string_view name = base_name(path);
  if (!name.starts_with(kBuilderResource)) return false;
  name.remove_prefix(kBuilderResource.size());
  const std::size_t end = name.find(".so");
  if (end == std::string_view::npos) return false;
  const auto arch = device::parse_cuda_arch(name.substr(0, end));
  return arch && std::ranges::none_of(targets.cuda, [&](device::CudaArch gpu) {
           return gpu.number / 10 == arch->number / 10 && arch->number <= gpu.number;
         });
}

/// What the members of a family in one directory have in common, and for which GPU this one is.
std::optional<std::pair<std::string, unsigned>> family_member(std::string_view path) {
  const std::string_view name = base_name(path);
  for (const Family& family : kFamilies) {
    if (!name.starts_with(family.prefix) || !name.ends_with(family.suffix)) continue;
    if (name.size() <= family.prefix.size() + family.suffix.size()) continue;
    const std::string_view number = name.substr(
        family.prefix.size(), name.size() - family.prefix.size() - family.suffix.size());
    const auto arch = device::parse_cuda_arch(number);
    if (!arch) continue;
    std::string stem(path.substr(0, path.size() - number.size() - family.suffix.size()));
    return std::pair(std::move(stem), arch->number);
  }
  return std::nullopt;
}

bool is_below(std::string_view path, std::string_view directory) {
  const std::size_t at = path.find(directory);
  return at != std::string_view::npos && (at == 0 || path[at - 1] == '/');
}

bool serves(const Range& range, const device::Targets& targets) {
  return std::ranges::any_of(targets.cuda, [&](device::CudaArch gpu) {
    return gpu.number >= range.from && gpu.number < range.below;
  });
}

/// A target with a file of its own needs no other; one without may take any older one.
bool serves(unsigned arch, const std::set<unsigned>& family, const device::Targets& targets) {
  return std::ranges::any_of(targets.cuda, [&](device::CudaArch gpu) {
    return family.contains(gpu.number) ? arch == gpu.number : arch <= gpu.number;
  });
}

bool serves_any(std::string_view name, const device::Targets& targets) {
  return std::ranges::any_of(
      targets.amd, [&](const std::string& gpu) { return inventory::amd_name_serves(name, gpu); });
}

/// A stand-alone code object or bundle: all that is in it is known and for other GPUs.
bool holds_for_others_only(const std::vector<inventory::ArchCount>& code,
                           const device::Targets& targets) {
  return !code.empty() && std::ranges::all_of(code, [&](const inventory::ArchCount& one) {
    return one.vendor == "amd" && one.kind == "code-object" && one.arch != "unknown" &&
           !serves_any(one.arch, targets);
  });
}

/// A stand-alone cubin that no target can load. The header does not tell variants: what may be
/// sm_100 stays for every 10.x.
bool is_cubin_for_others(const inventory::ElfFacts& facts, const device::Targets& targets) {
  return facts.machine == EM_CUDA && !facts.code.empty() &&
         std::ranges::all_of(facts.code, [&](const inventory::ArchCount& one) {
           const auto arch = device::parse_cuda_arch(one.arch);
           return one.kind == "cubin" && arch &&
                  std::ranges::none_of(targets.cuda, [&](device::CudaArch gpu) {
                    return device::cubin_runs_on(*arch, gpu);
                  });
         });
}

std::set<std::uint32_t> amd_files_for_others(const inventory::LayerScan& scan,
                                             const device::Targets& targets) {
  std::set<std::uint32_t> out;
  for (const auto& [index, facts] : scan.elf)
    if (facts.machine == EM_AMDGPU && holds_for_others_only(facts.code, targets)) out.insert(index);
  for (const auto& [index, facts] : scan.bare_code)
    if (holds_for_others_only(facts.code, targets)) out.insert(index);

  // A wheel of another family goes where one beside it serves.
  std::set<std::string> served;
  std::vector<std::pair<std::uint32_t, std::string>> of_other_families;
  const image::LayerListing& layer = *scan.listing;
  for (std::uint32_t index = 0; index < layer.size(); ++index) {
    const image::LayerListing::Entry entry = layer.at(index);
    if (entry.type != codec::MemberType::kFile ||
        image::whiteout_kind(entry.path) != image::Whiteout::kNone)
      continue;
    const std::vector<std::string> names = inventory::amd_targets_of_file(entry.path);
    if (!names.empty() && std::ranges::none_of(names, [&](const std::string& name) {
          return serves_any(name, targets);
        }))
      out.insert(index);
    inventory::AmdWheelPath wheel = inventory::amd_wheel_of(entry.path);
    if (wheel.family.empty()) continue;
    if (serves_any(wheel.family, targets))
      served.insert(std::move(wheel.siblings));
    else
      of_other_families.emplace_back(index, std::move(wheel.siblings));
  }
  for (const auto& [index, siblings] : of_other_families)
    if (served.contains(siblings)) out.insert(index);
  return out;
}

}  // namespace

std::set<std::uint32_t> files_for_other_gpus(const inventory::LayerScan& scan,
                                             const device::PruneOptions& rules) {
  const device::Targets& targets = rules.targets;
  std::set<std::uint32_t> out;
  if (targets.cuda.empty() && targets.amd.empty()) return out;
  if (!rules.keep_amd && (!targets.amd.empty() || rules.drop_vendor))
    out = amd_files_for_others(scan, targets);
  if (targets.cuda.empty()) return out;
  for (const auto& [index, facts] : scan.elf)
    if (is_cubin_for_others(facts, targets)) out.insert(index);
  const image::LayerListing& layer = *scan.listing;
  struct Member {
    std::uint32_t index = 0;
    unsigned arch = 0;
  };
  std::map<std::string, std::vector<Member>> families;
  for (std::uint32_t index = 0; index < layer.size(); ++index) {
    const image::LayerListing::Entry entry = layer.at(index);
    if (entry.type != codec::MemberType::kFile ||
        image::whiteout_kind(entry.path) != image::Whiteout::kNone)
      continue;
    if (auto member = family_member(entry.path)) {
      families[std::move(member->first)].push_back({index, member->second});
      continue;
    }
    if (is_resource_for_others(entry.path, targets)) out.insert(index);
    for (const Range& range : kRanges) {
      const bool of_amd = range.below == 0;
      if (of_amd && !targets.amd.empty()) continue;
      if (!serves(range, targets) && is_below(entry.path, range.directory)) out.insert(index);
    }
  }
  for (const auto& [stem, members] : families) {
    std::set<unsigned> family;
    for (const Member& member : members) family.insert(member.arch);
    for (const Member& member : members)
      if (!serves(member.arch, family, targets)) out.insert(member.index);
  }
  return out;
}

}  // namespace flense::slim
