// The error messages of drivers, runtimes, engines and frameworks, recognised in a log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::doctor {

struct Recognised {
  std::string says;          ///< "CUDA 803", "container engine"
  std::string line;          ///< the line that held it, printable
  std::uint64_t number = 0;  ///< of that line, from 1
  std::string cause, fix;
  std::string step;  ///< the step of a diagnosis that looks into it; empty where none does
  std::string source;
  bool operator==(const Recognised&) const = default;
};

/// Rows of the tables `messages` and `errors`, the longest text that a line holds first; each row
/// once, by its first line. At most 64. Lines are compared without regard to case and to the number
/// of blanks, their first 16 KiB.
std::vector<Recognised> recognise(std::string_view log, const knowledge::TableSet& tables);

}  // namespace flense::doctor
