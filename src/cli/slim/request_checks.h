// What of a command line of flense slim contradicts itself: usage errors, before anything is read.
#pragma once

#include "cli/slim/request.h"

namespace flense::cli {

/// Of the first job, whose options are those of all.
Result<void> check_job(const SlimRequest& request, const SlimJob& job);
/// Of a job whose target is an ELF file.
Result<void> check_one_file(const SlimRequest& request, const SlimJob& job);
/// Of several targets.
Result<void> check_several(const SlimRequest& request, const SlimJob& common);

}  // namespace flense::cli
