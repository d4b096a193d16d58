// AMD target ids as code objects carry them: the processor, and the feature settings that the code
// was built for. LLVM, "User Guide for AMDGPU Backend": Target ID, ELF Header e_flags.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// GPUs that run code for a generic processor ("gfx9-4-generic"); empty for other names.
std::vector<std::string> amd_generic_members(std::string_view processor);

/// Can a GPU load code for `code`? Both are target ids. The processor is the GPU's own, or a
/// generic one of which the GPU is a member; a feature that both name has the same setting in both.
/// A GPU named without a setting may be run with either.
bool amd_code_runs_on(std::string_view code, std::string_view gpu);

/// What HSA_OVERRIDE_GFX_VERSION makes of every GPU: "10.3.0" -> "gfx1030", "9.0.10" and "9.0.a" ->
/// "gfx90a"; empty when not of that form.
std::string amd_target_of_override(std::string_view version);

/// The longest processor that this table knows at the start of `text`; empty when none: "gfx90a6e"
/// -> "gfx90a", "gfx90878" -> "gfx908".
std::string_view amd_processor_at(std::string_view text);

}  // namespace flense::device
