// The error messages of drivers, runtimes, engines and frameworks, recognised in a log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/explained.h"

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

/// The errors whose messages stand in `log`, by the longest text that a line holds; each once, by
/// its first line. At most 64. Lines are compared without regard to case and to the number of
/// blanks, their first 16 KiB.
std::vector<Recognised> recognise(std::string_view log, const knowledge::Explained& known);

}  // namespace flense::doctor
