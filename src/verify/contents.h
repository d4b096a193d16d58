// The files whose bytes are compared: edited ELF files, lists of packages, flense's marker, and
// what went as device code for other GPUs.
#pragma once

#include <filesystem>

#include "base/progress.h"
#include "verify/tree_compare.h"

namespace flense::verify {

/// Contents of the image after are set aside in one scratch file, those of the image before pass
/// by.
Result<void> compare_contents(const Reading& before, const Reading& after, const TreeResult& tree,
                              const CodeRule& rule, const std::filesystem::path& scratch,
                              Progress* progress, Findings& findings);

}  // namespace flense::verify
