// --prove: what was written is compared with what it was made from, by code of its own.
#pragma once

#include <vector>

#include "cli/slim/hanging.h"
#include "cli/slim/steps.h"
#include "slim/job/variants.h"

namespace flense::cli {

/// Writes the proof of one image. False when the result is not what it has to be; says so on stderr
/// and writes no proof.
Result<bool> prove(const SlimJob& job, const SlimRequest& request, const slim::Slimming& slimming,
                   const slim::SlimOutcome& outcome, const slim::Workplace& workplace, Io& io);

/// The same for each image of `layout`: FILE becomes one file for each, "proof.sm_90.json", and
/// what `hanging` has for the image gets the proof, too.
Result<bool> prove_variants(const std::vector<SlimJob>& jobs,
                            const std::vector<slim::Slimming>& slimmings,
                            const SlimRequest& request, const slim::VariantsLayout& layout,
                            const slim::Workplace& workplace, std::vector<Hanging>& hanging,
                            Io& io);

}  // namespace flense::cli
