// Whether a stage compiles code, as far as its commands tell.
#pragma once

#include <cstddef>
#include <string_view>

#include "lint/facts/stage_view.h"

namespace flense::lint {

/// Whether the stage compiles something itself, as far as its commands tell.
bool may_compile(const FileView& view, std::size_t stage);

/// Extensions of torch of which PyPI has sources alone.
bool is_source_only(std::string_view package);

/// Whose setup.py compiles by torch.utils.cpp_extension, and for which there is no wheel of a
/// repository.
bool is_torch_extension(std::string_view package);

/// A package whose setup.py compiles CUDA code only where torch sees a GPU, or FORCE_CUDA is set.
bool asks_for_a_gpu(const PackageRequest& request);

/// Whether something may be compiled against torch: by the build, or while the program runs.
bool may_compile_extension(const FileView& view, std::size_t stage);

/// Whether something is surely compiled by torch.utils.cpp_extension, which compares its CUDA with
/// the compiler's: CMake does not, and wheels of a page of links are ready.
bool compiles_torch_extension(const FileView& view, std::size_t stage);

/// An image in which somebody works: it starts a shell, waits for one, or holds no program of its
/// own.
bool is_for_a_shell(const FileView& view, std::size_t stage);

}  // namespace flense::lint
