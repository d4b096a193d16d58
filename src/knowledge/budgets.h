// How large an image may be where it is to run; rows of data/budgets.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace flense::knowledge {

struct PlatformBudget {
  std::string name;                  ///< "lambda"
  std::string what;                  ///< "functions of AWS Lambda"
  std::uint64_t unpacked_bytes = 0;  ///< of all layers, uncompressed
  std::string source;
};

/// An internal error when the embedded table is damaged.
Result<std::vector<PlatformBudget>> platform_budgets();

}  // namespace flense::knowledge
