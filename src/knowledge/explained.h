// What is known about checks, error codes and exit statuses, for people; rows of data/errors.json
// and data/checks.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct ErrorRow {
  std::string layer;  ///< who says it: "CUDA", "HIP", "container engine"
  std::optional<std::uint64_t> code;
  std::vector<std::string> names;     ///< "CUDA_ERROR_NO_DEVICE", "cudaErrorNoDevice"
  std::vector<std::string> messages;  ///< or the part of them that does not vary
  std::string cause, fix;
  std::vector<std::string> checks;  ///< ids of those that foresee it
  std::string step;                 ///< of `doctor`, which looks into it; may be empty
  std::string source;
};

struct CheckRow {
  std::string id;
  std::string asks;    ///< the question, one sentence
  std::string detect;  ///< from what it is answered
  std::string fix;
  std::vector<std::string> documents;
  std::string source;
};

struct ExitStatusRow {
  std::uint64_t status = 0;
  std::string meaning, next, source;
};

struct Explained {
  static Explained read(const TableSet& tables);

  std::vector<ErrorRow> errors;
  std::vector<CheckRow> checks;
  std::vector<ExitStatusRow> statuses;
};

}  // namespace flense::knowledge
