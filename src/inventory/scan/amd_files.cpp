#include "inventory/scan/amd_files.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/path.h"
#include "device/amd_target.h"

namespace flense::inventory {

namespace {

constexpr std::string_view kGfx = "gfx";

/// A processor's number, in which families leave digits open: "90a", "1030", "11xx", "94X".
bool is_gfx_number(std::string_view text) {
  return text.size() >= 2 && text.size() <= 5 && text[0] >= '1' && text[0] <= '9' &&
         std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == 'x' || c == 'X';
         });
}

/// The settings behind a processor: "-xnack+".
std::string settings_at(std::string_view text) {
  std::string out;
  bool more = true;
  while (more) {
    more = false;
    for (const std::string_view one : {"-xnack+", "-xnack-", "-sramecc+", "-sramecc-"}) {
      if (!text.starts_with(one)) continue;
      out += fmt::format(":{}", one.substr(1));
      text.remove_prefix(one.size());
      more = true;
    }
  }
  return out;
}

/// "gfx9-4-generic" at the start of the text; empty when none.
std::string_view generic_at(std::string_view text) {
  constexpr std::string_view kEnd = "-generic";
  const std::size_t at = text.find(kEnd);
  if (at == std::string_view::npos || at > 12) return {};
  const std::string_view between = text.substr(kGfx.size(), at - kGfx.size());
  const bool plain =
      std::ranges::all_of(between, [](char c) { return (c >= '0' && c <= '9') || c == '-'; });
  return plain ? text.substr(0, at + kEnd.size()) : std::string_view();
}

/// Every processor that the name states; nothing when one of them is not understood.
std::vector<std::string> targets_in(std::string_view name) {
  std::vector<std::string> out;
  for (std::size_t at = name.find(kGfx); at != std::string_view::npos;
       at = name.find(kGfx, at + kGfx.size())) {
    if (at > 0 && is_alphanumeric(name[at - 1])) return {};
    const std::string_view rest = name.substr(at);
    if (const std::string_view generic = generic_at(rest); !generic.empty()) {
      out.emplace_back(generic);
      continue;
    }
    std::size_t end = kGfx.size();
    while (end < rest.size() && is_alphanumeric(rest[end])) ++end;
    if (!is_gfx_number(rest.substr(kGfx.size(), end - kGfx.size()))) return {};
    out.push_back(std::string(rest.substr(0, end)) + settings_at(rest.substr(end)));
  }
  return out;
}

/// MIOpen puts the number of compute units behind the processor, as "_36" or in hexadecimal:
/// "gfx1030_36.kdb", "gfx90a6e.HIP.fdb.txt", "gfx942130.db.txt"; or what a model is for:
/// "gfx908_ConvHipIgemm_encoder.ktn.model".
std::vector<std::string> target_of_database(std::string_view name) {
  const std::string_view processor = device::amd_processor_at(name);
  if (processor.empty()) return {};
  std::string_view units = name.substr(processor.size());
  units = units.substr(0, units.find('.'));
  const bool hexadecimal = units.size() <= 3 && std::ranges::all_of(units, [](char c) {
                             return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                           });
  if (!hexadecimal && !units.starts_with('_')) return {};
  return {std::string(processor)};
}

/// Where in the path the directory begins; npos when it has none of this name.
std::size_t find_directory(std::string_view path, std::string_view directory) {
  for (std::size_t at = path.find(directory); at != std::string_view::npos;
       at = path.find(directory, at + 1))
    if (at == 0 || path[at - 1] == '/') return at;
  return std::string_view::npos;
}

/// The libraries of kernels that Tensile makes: files, or directories of files, for each processor.
std::vector<std::string> target_of_tensile(std::string_view inside, std::string_view name) {
  if (!ends_with_any(name, {".co", ".hsaco", ".dat", ".dat.zlib", ".dat.gz", ".dat.zst"}))
    return {};
  if (std::vector<std::string> own = targets_in(name); !own.empty()) return own;
  if (name.find(kGfx) != std::string_view::npos) return {};
  const std::string_view directory = inside.substr(0, inside.find('/'));
  return directory.size() < inside.size() ? targets_in(directory) : std::vector<std::string>();
}

}  // namespace

std::vector<std::string> amd_targets_of_file(std::string_view path) {
  const std::string_view name = base_name(path);
  for (const std::string_view tree :
       {"rocblas/library/", "hipblaslt/library/", "hipsparselt/library/"})
    if (const std::size_t at = find_directory(path, tree); at != std::string_view::npos)
      return target_of_tensile(path.substr(at + tree.size()), name);
  if (find_directory(path, "miopen/db/") != std::string_view::npos) return target_of_database(name);
  // Of aotriton and AITER the directory tells: "aotriton.images/amd-gfx11xx/…", "hsa/gfx942/…".
  for (const std::string_view tree : {"aotriton.images/amd-", "hsa/"}) {
    const std::size_t at = find_directory(path, tree);
    if (at == std::string_view::npos) continue;
    if (tree == "hsa/" && !ends_with_any(name, {".co", ".hsaco"})) continue;
    const std::string_view inside = path.substr(at + tree.size());
    const std::size_t end = inside.find('/');
    if (end == std::string_view::npos || !inside.starts_with(kGfx)) return {};
    return targets_in(inside.substr(0, end));
  }
  const bool kpack = base_name(parent_path(path)) == ".kpack" && name.ends_with(".kpack");
  const bool convolution =
      name.starts_with("libMIOpenCKGroupedConv_gfx") && name.find(".so") != std::string_view::npos;
  // The cache of rocFFT is one for all processors, or one for each.
  const bool transform = name.starts_with("rocfft_kernel_cache") && name.ends_with(".db");
  return kpack || convolution || transform ? targets_in(name) : std::vector<std::string>();
}

AmdWheelPath amd_wheel_of(std::string_view path) {
  const std::size_t at = find_directory(path, "_rocm_sdk_");
  if (at == std::string_view::npos) return {};
  const std::string_view component = path.substr(at, path.find('/', at) - at);
  const std::size_t gfx = component.find(kGfx);
  if (gfx == std::string_view::npos || at + component.size() == path.size()) return {};
  const std::vector<std::string> targets = targets_in(component);
  if (targets.size() != 1) return {};
  return {targets.front(), std::string(path.substr(0, at + gfx))};
}

bool amd_name_serves(std::string_view name, std::string_view gpu) {
  if (device::amd_code_runs_on(name, gpu)) return true;
  const std::string_view own = name.substr(0, name.find(':'));
  const std::string_view processor = gpu.substr(0, gpu.find(':'));
  constexpr std::array<std::string_view, 2> kSideBySide = {"gfx1200", "gfx1201"};
  if (std::ranges::find(kSideBySide, own) != kSideBySide.end() &&
      std::ranges::find(kSideBySide, processor) != kSideBySide.end())
    return true;
  // A generic processor that this version does not know may serve any of its generation.
  if (own.ends_with("-generic")) return device::amd_generic_members(own).empty();
  if (!own.starts_with(kGfx) || !processor.starts_with(kGfx) ||
      own.find_first_of("xX", kGfx.size()) == std::string_view::npos)
    return false;
  return std::ranges::equal(
      own.substr(kGfx.size()), processor.substr(kGfx.size()),
      [](char open, char digit) { return open == digit || open == 'x' || open == 'X'; });
}

}  // namespace flense::inventory
