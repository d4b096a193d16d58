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
  std::string id;            ///< of the row: "cuda-803"
  std::string says;          ///< "CUDA 803", "container engine"
  std::string line;          ///< the line that held it, printable
  std::uint64_t number = 0;  ///< of that line, from 1
  bool advice = false;       ///< what a program that works recommends
  std::string cause, fix;
  std::string step;  ///< the step of a diagnosis that looks into it; empty where none does
  std::string source;
  bool operator==(const Recognised&) const = default;
};

/// As knowledge::ErrorReader.
std::vector<Recognised> recognise(std::string_view log, const knowledge::Explained& known);

/// Whether something failed: advice alone is none.
bool tells_failure(const std::vector<Recognised>& messages);

}  // namespace flense::doctor
