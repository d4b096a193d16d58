// Something a user should act on, with its evidence. Budgets, and later checks and lint rules, all
// produce findings; one renderer prints them.
#pragma once

#include <cstdint>
#include <string>

#include "base/severity.h"

namespace flense::inventory {

struct Finding {
  std::string rule;  ///< stable id: "budget-size"
  Severity severity = Severity::kError;
  std::string place;     ///< what it is about: an image, a layer, a path
  std::string evidence;  ///< what was seen
  std::string why;
  std::string fix;
};

/// A limit of what an image may hold, and whether it does.
struct BudgetResult {
  std::string name;  ///< "max-size", or of a platform: "lambda"
  std::uint64_t limit_bytes = 0, actual_bytes = 0;
  bool exceeded = false;
  Finding finding;  ///< meaningful when exceeded
};

}  // namespace flense::inventory
