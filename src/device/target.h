// GPU architectures, of code and of GPUs. CUDA: compute capability X.Y, with the
// architecture-specific (a) and family-specific (f) variants of code. AMD: gfx target ids.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense::device {

/// The architecture that CUDA code was built for, or (variant kPlain) that a GPU has.
struct CudaArch {
  enum class Variant : std::uint8_t { kPlain, kArchitecture, kFamily };
  unsigned number = 0;  ///< 10 * major + minor: 90, 103, 120
  Variant variant = Variant::kPlain;
  unsigned major() const { return number / 10; }
  unsigned minor() const { return number % 10; }
  auto operator<=>(const CudaArch&) const = default;
};
/// "sm_90a"; with `prefix` "compute" for PTX: "compute_90a".
std::string to_string(CudaArch arch, std::string_view prefix = "sm");

/// What an image shall serve; all of CUDA type here (AMD ids are kept as text).
struct Targets {
  std::vector<CudaArch> cuda;    ///< sorted, unique, variant kPlain
  std::vector<std::string> amd;  ///< "gfx942"
  std::string text() const;      ///< canonical: "sm_80,sm_86"
  bool operator==(const Targets&) const = default;
};

/// Can a GPU of compute capability `gpu` run this cubin / compile this PTX? CUDA C++ Programming
/// Guide, "Binary compatibility", "PTX compatibility", "Family-specific targets". Both answer the
/// keep question: true whenever the GPU could load it.
bool cubin_runs_on(CudaArch code, CudaArch gpu);
bool ptx_compiles_for(CudaArch code, CudaArch gpu);
/// The stricter question that lets PTX go: will it run for certain? Not promised between an
/// embedded (Jetson) part and a discrete one of the same major, nor across the sm_101 renaming.
bool cubin_surely_runs_on(CudaArch code, CudaArch gpu);

/// "sm_90", "90", "9.0", "compute_90", "sm_90a" (means a GPU of 9.0): nullopt when not of that
/// form. Any letter case; the result has variant kPlain.
std::optional<CudaArch> parse_cuda_arch(std::string_view text);
/// "gfx942"; target features ("gfx90a:xnack+") are dropped; nullopt when not of that form.
std::optional<std::string> parse_amd_arch(std::string_view text);
/// Targets from architecture names of either vendor ("9.0", "gfx942"); a usage error names the word
/// that is none.
Result<Targets> make_targets(const std::vector<std::string>& architectures);

}  // namespace flense::device
