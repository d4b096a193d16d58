// The files that a run of flense slim writes beside its result, before there is any of them.
#pragma once

#include <string>
#include <vector>

#include "cli/slim/request.h"

namespace flense::cli {

/// --prove FILE for one image of several: "proof.json" becomes "proof.sm_90.json".
std::string proof_of_variant(const std::string& file, const device::Targets& targets);

/// Usage errors where one would replace what is read, a part of it, or another that is written.
Result<void> check_written_files(const SlimRequest& request, const std::vector<SlimJob>& jobs);

}  // namespace flense::cli
