// Where Triton and PyTorch's compiler keep what they compiled (candidates/jit_caches.h).
#pragma once

#include <string_view>

namespace flense::inventory {

/// What Triton writes beside a kernel, in its own cache or in one of PyTorch's compiler: a text
/// that the scan keeps.
bool is_jit_metadata(std::string_view path);

/// The cache of PyTorch's compiler that holds `path`; empty when there is none.
std::string_view compiler_tree(std::string_view path);

/// The part of `path` up to the end of the component that begins at `at`; empty when that is the
/// last one.
std::string_view up_to_component(std::string_view path, std::size_t at);

}  // namespace flense::inventory
