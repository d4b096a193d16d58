// Two linked ELF files of which the second was made from the first by removing device code and what
// only debuggers read: whether everything else is what it was (docs/commands/verify.md).
#pragma once

#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "verify/finding.h"
#include "verify/load_rule.h"

namespace flense::verify {

/// Differences go into `findings` under `path`. Errors are of the environment.
Result<void> compare_elf(Bytes before, Bytes after, const std::string& path, const CodeRule& rule,
                         const std::filesystem::path& scratch, Findings& findings);

}  // namespace flense::verify
