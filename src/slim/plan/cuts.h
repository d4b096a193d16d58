// A plan shown as what could be cut: a row for each pass, then one for each reason why files stay
// that a pass would take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inventory/describe/inventory.h"
#include "slim/plan/plan.h"

namespace flense::slim {

struct Cut {
  Pass pass;
  std::uint64_t files = 0, bytes = 0;
  std::string held_back;                      ///< why flense would not; empty: it would
  std::vector<inventory::SizedPath> largest;  ///< up to five examples
};

/// Largest first, those held back last.
std::vector<Cut> cuts_of(const Plan& plan);

}  // namespace flense::slim
