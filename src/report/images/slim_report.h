// What slim would do or has done, as text and JSON.
#pragma once

#include <string>

#include "report/format/style.h"
#include "slim/apply/apply_image.h"
#include "slim/plan/plan.h"
#include "text/json.h"

namespace flense::report {

/// Everything that the closing table speaks of. `outcome` is null for a dry run.
struct SlimReport {
  const slim::Plan& plan;
  const slim::SlimOutcome* outcome = nullptr;
  std::string output;                   ///< where the result is; empty for a dry run
  std::uint64_t unpacked_before = 0;    ///< sum over layers, tar bytes
  std::uint64_t unpacked_after = 0;     ///< the same; planned for a dry run
  bool vendor_objects_changed = false;  ///< the licence note is due
};

struct SlimTextOptions {
  Style style = {};
  bool quiet = false;    ///< no tables: the sizes, notices, and where the result is
  bool verbose = false;  ///< every file left unchanged, every package
};
/// What the owner of changed vendor libraries must know.
std::string licence_note(bool planned);

std::string slim_text(const SlimReport& report, const SlimTextOptions& options);

/// What was done, schema flense/slim/v1 (docs/schemas/slim-v1.json); `outcome` is the report's. A
/// dry run prints the plan instead (slim/plan/plan.h).
text::Json slim_json(const SlimReport& report, const slim::SlimOutcome& outcome);

}  // namespace flense::report
