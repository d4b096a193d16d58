// What flense slim does to one image, in this order; the doing is slim/job's.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cli/slim/request.h"
#include "inventory/scan/scan_cache.h"
#include "slim/job/roots.h"
#include "slim/job/slimming.h"
#include "slim/job/write.h"

namespace flense::cli {

/// `progress` must outlive it.
Result<slim::Workplace> workplace_of(const SlimRequest& request, const knowledge::Knowledge& tables,
                                     Progress& progress, const Io& io);

/// Reads the image and says what becomes of it. `original` is filled where a command of the image
/// runs; `cache` may be null. Nothing comes when a trace or the check of the original fails, which
/// is printed.
Result<std::optional<slim::Slimming>> plan_job(const SlimJob& job, const SlimRequest& request,
                                               const slim::Workplace& workplace,
                                               std::optional<slim::UnpackedRoot>& original,
                                               inventory::InventoryCache* cache, Io& io);
/// The same for jobs that differ by their GPUs alone: the image is read once. Nothing comes when
/// one fails.
Result<std::vector<slim::Slimming>> plan_jobs(std::span<const SlimJob> jobs,
                                              const SlimRequest& request,
                                              const slim::Workplace& workplace,
                                              std::optional<slim::UnpackedRoot>& original,
                                              inventory::InventoryCache* cache, Io& io);

/// --verify, of which plan_job() has done the original's part. False when the slim root answers
/// otherwise; says so on stderr.
Result<bool> verify(const SlimRequest& request, const slim::Slimming& slimming,
                    const slim::Workplace& workplace,
                    const std::optional<slim::UnpackedRoot>& original, Io& io);

/// What was taken and why, as OUT.provenance.json has it.
text::Json record_of(const SlimJob& job, const slim::Slimming& slimming,
                     const slim::SlimOutcome& outcome);
Result<void> write_record(const SlimJob& job, const slim::Slimming& slimming,
                          const slim::SlimOutcome& outcome);

}  // namespace flense::cli
