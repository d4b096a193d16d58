// A SIF file as output, built by Apptainer or Singularity from an OCI archive: what belongs into
// one besides the root file system (environment, run script) is theirs to say.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace flense::image {

/// An environment error when neither program is on PATH.
Result<std::string> find_sif_builder();

/// Builds `output` from the OCI archive; `scratch` is a private directory on the way.
Result<void> build_sif(const std::string& program, const std::filesystem::path& archive,
                       const std::filesystem::path& scratch, const std::filesystem::path& output);

}  // namespace flense::image
