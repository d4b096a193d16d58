#include "compat/facts/amd.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"

namespace flense::compat {

AmdTarget parse_amd_target(std::string_view text) {
  AmdTarget out;
  out.processor = text.substr(0, text.find(':'));
  while (true) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return out;
    text.remove_prefix(colon + 1);
    out.features.emplace_back(text.substr(0, text.find(':')));
  }
}

namespace {

/// '+', '-', or 0 when the target does not speak of the feature.
char setting(const AmdTarget& target, std::string_view feature) {
  for (const std::string& one : target.features)
    if (one.size() == feature.size() + 1 && one.starts_with(feature)) return one.back();
  return 0;
}

AmdMatch feature_match(char code, char gpu, char expected) {
  if (code == 0 || code == gpu) return AmdMatch::kYes;
  if (gpu != 0) return AmdMatch::kNo;
  return code == expected ? AmdMatch::kYes : AmdMatch::kDepends;
}

}  // namespace

bool takes_xnack_from_process(std::string_view processor) {
  return is_one_of(processor, {"gfx90a", "gfx940", "gfx941", "gfx942", "gfx950"});
}

bool is_same_processor(const AmdTarget& code, const AmdTarget& gpu, const knowledge::Rocm& tables) {
  if (code.processor == gpu.processor) return true;
  const auto* generic = tables.generic_target(code.processor);
  return generic != nullptr && std::ranges::find(generic->gfx, gpu.processor) != generic->gfx.end();
}

AmdMatch amd_match(const AmdTarget& code, const AmdTarget& gpu, char xnack,
                   const knowledge::Rocm& tables) {
  if (!is_same_processor(code, gpu, tables)) return AmdMatch::kNo;
  // If nothing tells: xnack is off unless requested; memory with error correction, which these
  // accelerators have, runs with sramecc on.
  const bool asked = xnack != 0 && takes_xnack_from_process(gpu.processor);
  return std::min(feature_match(setting(code, "xnack"), asked ? xnack : setting(gpu, "xnack"), '-'),
                  feature_match(setting(code, "sramecc"), setting(gpu, "sramecc"), '+'));
}

Seen image_rocm(const needs::Needs& image, const std::optional<TorchBuild>& torch) {
  if (torch && torch->variant.starts_with("rocm") && torch->variant.size() > 4)
    return {major_minor(std::string_view(torch->variant).substr(4)), torch->evidence};
  for (const std::string_view name : {"ROCm", "HIP runtime"})
    for (const Seen& seen : versions_of(image, name))
      // libamdhip64.so.6 alone does not tell the release.
      if (seen.version.find('.') != std::string::npos)
        return {major_minor(seen.version),
                fmt::format("{} {} ({})", name, seen.version, seen.evidence)};
  const auto at = image.environment.find("ROCM_VERSION");
  if (at != image.environment.end() && first_number(at->second))
    return {major_minor(at->second), "environment ROCM_VERSION=" + at->second};
  return {};
}

}  // namespace flense::compat
