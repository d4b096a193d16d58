// What each pass of slim may do to which files: stated here once more, from docs/passes.md, so that
// a record cannot give a reason that does not fit the file. Coarser than the passes themselves: a
// row says where such files can be, not that all of them go.
#pragma once

#include <string>
#include <string_view>

#include "verify/reading.h"
#include "verify/record.h"

namespace flense::verify {

/// Licence texts: no pass takes them, but for what is hidden or reached by nothing.
bool is_licence(std::string_view path);

/// Why no pass of the edit's name can have done that to `was`; empty where one can. `tree` is that
/// of the image before, `level` how far slim was to go.
std::string unfit_reason(const PlannedEdit& edit, const Member& was, const image::MergedTree& tree,
                         const Record& record, Level level);

/// The name says that the file serves GPUs among which no target is: bitcode and libraries of one
/// architecture, Triton's parts for other GPUs.
bool is_named_for_others(std::string_view path, const device::Targets& targets);

}  // namespace flense::verify
