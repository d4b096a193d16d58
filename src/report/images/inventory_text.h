// An inventory for people.
#pragma once

#include <string>

#include "report/format/style.h"
#include "report/images/inspection.h"

namespace flense::report {

struct InventoryTextOptions {
  Style style;
  bool all = false;      ///< every file of the matrix, every package, every wasted file
  bool quiet = false;    ///< the summary, budgets and notices only
  bool verbose = false;  ///< digests, evidence in full, examples under each cut
};

std::string inventory_text(const Inspection& inspection, const InventoryTextOptions& options);

}  // namespace flense::report
