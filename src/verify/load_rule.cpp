#include "verify/load_rule.h"

#include <algorithm>
#include <array>

namespace flense::verify {

namespace {

using device::CudaArch;

bool one_gpu_under_two_numbers(unsigned a, unsigned b) {
  return (a == 101 && b == 110) || (a == 110 && b == 101);
}

/// Jetson and DRIVE, by the table of "CUDA GPU Compute Capability".
bool on_a_board(unsigned number) {
  constexpr std::array<unsigned, 8> kBoards = {32, 53, 62, 72, 87, 101, 110, 111};
  return std::ranges::find(kBoards, number) != kBoards.end();
}

struct Generic {
  std::string_view name;
  std::string_view members;  ///< each between blanks
};
constexpr std::array<Generic, 6> kGeneric = {{
    {"gfx9-generic", " gfx900 gfx902 gfx904 gfx906 gfx909 gfx90c "},
    {"gfx9-4-generic", " gfx940 gfx941 gfx942 gfx950 "},
    {"gfx10-1-generic", " gfx1010 gfx1011 gfx1012 gfx1013 "},
    {"gfx10-3-generic", " gfx1030 gfx1031 gfx1032 gfx1033 gfx1034 gfx1035 gfx1036 "},
    {"gfx11-generic", " gfx1100 gfx1101 gfx1102 gfx1103 gfx1150 gfx1151 gfx1152 gfx1153 "},
    {"gfx12-generic", " gfx1200 gfx1201 "},
}};

bool names_one_processor(std::string_view name) {
  return name.starts_with("gfx") && name.size() >= 6 &&
         name.find_first_not_of("0123456789abcdef", 3) == std::string_view::npos;
}

}  // namespace

bool can_load_cubin(CudaArch code, CudaArch gpu) {
  if (one_gpu_under_two_numbers(code.number, gpu.number)) return true;
  const bool minor_fits = code.number / 10 == gpu.number / 10 && code.number <= gpu.number;
  switch (code.variant) {
    case CudaArch::Variant::kArchitecture:
      return code.number == gpu.number;
    case CudaArch::Variant::kFamily:
      // 10.1 was Thor's first number: beside 10.0 and 10.3 it is a family of its own.
      return minor_fits && ((code.number == 101) == (gpu.number == 101));
    case CudaArch::Variant::kPlain:
      break;
  }
  return minor_fits;
}

bool loads_cubin_surely(CudaArch code, CudaArch gpu) {
  if (code.number == gpu.number) return can_load_cubin(code, gpu);
  return can_load_cubin(code, gpu) && code.number / 10 == gpu.number / 10 &&
         on_a_board(code.number) == on_a_board(gpu.number);
}

bool can_load_amd(std::string_view processor, std::string_view gpu) {
  if (processor == gpu) return true;
  const auto generic = std::ranges::find(kGeneric, processor, &Generic::name);
  if (generic != kGeneric.end())
    return generic->members.find(" " + std::string(gpu) + " ") != std::string_view::npos;
  return !names_one_processor(processor);
}

}  // namespace flense::verify
