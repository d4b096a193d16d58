// AMD target ids as code objects carry them: the processor, and the settings of its features that
// the code was built for. LLVM, "User Guide for AMDGPU Backend": Target ID, ELF Header e_flags.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "elf/file.h"

namespace flense::device {

/// "gfx90a:sramecc+:xnack-": features in alphabetical order; one that is left out means that the
/// code runs with either setting. nullopt when `text` is not of that form.
std::optional<std::string> canonical_amd_target(std::string_view text);

/// The target of an entry of an offload bundle: "hipv4-amdgcn-amd-amdhsa--gfx942" -> "gfx942".
/// Empty for code of the host, "unknown" for ids that name no processor.
std::string amd_target_of_entry(std::string_view id);

/// The target of a code object, an ELF file of machine EM_AMDGPU, from e_flags; "unknown" for a
/// processor that this table does not have. nullopt for other files.
std::optional<std::string> amd_target_of_code_object(const elf::File& file);

}  // namespace flense::device
