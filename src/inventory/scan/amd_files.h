// Files that ROCm's libraries ship once for each processor, told by where they lie and what they
// are called. AMD's install trees; the multi-architecture packages of TheRock (kpack).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace flense::inventory {

/// What a file is for: target ids ("gfx90a:xnack+"), generic processors and families ("gfx11xx",
/// where an x stands for any digit); empty for files of no such library, for what all GPUs share,
/// and for names that are not understood.
std::vector<std::string> amd_targets_of_file(std::string_view path);

/// Of a path inside of a per-family wheel ("_rocm_sdk_libraries_gfx94X_dcgpu/lib/…"): the family,
/// and what the wheels of all families beside it have in common. Empty family: no such path.
struct AmdWheelPath {
  std::string family, siblings;
};
AmdWheelPath amd_wheel_of(std::string_view path);

/// Does the GPU use what is named so? Beyond device::amd_code_runs_on: families; and gfx1200 and
/// gfx1201, which rocBLAS wants side by side (ROCm/legacy-rocm-build issue 4224).
bool amd_name_serves(std::string_view name, std::string_view gpu);

}  // namespace flense::inventory
