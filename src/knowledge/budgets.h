// How large an image may be where it is to run; rows of data/budgets.json.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct PlatformBudget {
  std::string name;                  ///< "lambda"
  std::string what;                  ///< "functions of AWS Lambda"
  std::uint64_t unpacked_bytes = 0;  ///< of all layers, uncompressed
  std::string source;
};

std::vector<PlatformBudget> read_budgets(const TableSet& tables);

}  // namespace flense::knowledge
