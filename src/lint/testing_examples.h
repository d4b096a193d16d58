// The examples of tests/lint/rules/ID.txt: what a rule reports, what it accepts, and the result of
// its fix. The documentation shows the same ones.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lint/lint.h"

namespace flense::lint {

struct ExampleFix {
  std::string path, text;
};

struct Example {
  std::string rule;  ///< the file's name
  std::string kind;  ///< "bad", "good", "tricky"
  std::string title;
  std::vector<Input> files;
  std::vector<ContextFile> context;
  std::vector<std::string> hosts;
  std::vector<std::string>
      expected;  ///< "Dockerfile:3", sorted; " pedantic" behind it
                 ///< where only --pedantic shows it, of a rule of no such group
  std::vector<ExampleFix> fixes;
  std::string fault;  ///< what is wrong with the example's own form
};

/// Sorted by rule, in the order of each file.
std::vector<Example> read_examples(const std::filesystem::path& directory);

}  // namespace flense::lint
