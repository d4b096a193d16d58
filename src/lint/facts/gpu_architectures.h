// Lists of GPU architectures as build tools accept them: TORCH_CUDA_ARCH_LIST, CMake's
// CUDA_ARCHITECTURES, nvcc's -arch and -gencode, ROCm's targets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/facts/stage_view.h"
#include "lint/source/source.h"

namespace flense::lint {

enum class ArchitectureSyntax : std::uint8_t {
  kTorch,  ///< "8.0;8.6 9.0+PTX", "Ampere"
  kCmake,  ///< "80;86-real;90a-virtual", "native", "all"
  kNvcc,   ///< "sm_86", "arch=compute_80,code=[sm_80,compute_80]"
  kRocm,   ///< "gfx90a;gfx942"
};

struct ListedArchitecture {
  std::string text;          ///< as written
  std::string architecture;  ///< "8.6", "9.0a", "gfx942"; empty: not an architecture
  std::string keyword;       ///< "native", "all", "all-major", "common", a code name: lower case
  std::string meant;         ///< the correct spelling in this syntax: "8.6" for "86"
};

struct ArchitectureList {
  std::vector<ListedArchitecture> items;
  /// The list in the syntax's own spelling; differs from what was written only in separators and
  /// spellings that have one meaning. Empty where an item has none.
  std::string corrected;
  bool well_spelt = true;  ///< separators and spellings are right

  bool has_keyword(std::string_view word) const;
};

/// At most 200 items.
ArchitectureList read_architectures(std::string_view text, ArchitectureSyntax syntax);

/// Two GPUs, or one, to name as an example: those that the base's CUDA compiles for and its
/// machines have, the newest last. "80;90", for torch "8.0;9.0+PTX".
std::string example_architectures(const FileView& view, const StageView& stage,
                                  ArchitectureSyntax syntax);

/// What a container starts is run on a machine with a GPU.
bool runs_in_build(const Instruction* step);

}  // namespace flense::lint
