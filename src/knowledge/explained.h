// What is known about checks, error codes and exit statuses, for people; rows of
// data/errors*.json and data/checks.json.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

/// Of errors that are advice.
inline constexpr std::string_view kAdviceNote =
    "programs that work say this too: no failure by itself";

struct ErrorRow {
  std::string id;     ///< "cuda-100", "docker-no-gpu-driver"
  std::string layer;  ///< who says it: "CUDA", "HIP", "container engine"
  std::optional<std::uint64_t> code;
  std::vector<std::uint64_t> other_codes;  ///< earlier numbers of it, or errors of the same kind
  std::vector<std::string> names;          ///< "CUDA_ERROR_NO_DEVICE", "cudaErrorNoDevice"
  std::vector<std::string> messages;       ///< or their parts that do not vary, with "…" between
  std::vector<std::string> lines;   ///< what is an error only where it is the whole line: "Killed"
  std::vector<std::string> said;    ///< phrases that anyone may use: only after the layer's voice
  bool general = false;             ///< follows from other errors: told only where none is
  bool advice = false;              ///< what a program that works recommends: nothing failed
  std::vector<std::string> beside;  ///< told only where one of these rows is
  std::vector<std::string> yields_to;  ///< not told where one of these rows is
  std::vector<std::string> resolved;   ///< a later line with one of these texts takes it back
  std::string cause, fix;
  std::vector<std::string> checks;  ///< ids of those that foresee it
  std::string step;                 ///< of `doctor`, which looks into it; may be empty
  std::string source;

  bool has_code(std::uint64_t number) const {
    return code == number || std::ranges::find(other_codes, number) != other_codes.end();
  }
};

/// By which words a line tells that an interface speaks, and which stand before an error's number.
struct Voice {
  std::string layer;
  std::vector<std::string> words, before;
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

/// Of the errors one file a family, and the checks.
inline constexpr auto kExplainTables = std::to_array<std::string_view>(
    {"errors", "errors_libraries", "errors_statuses", "errors_rocm", "errors_machine",
     "errors_containers", "errors_clusters", "errors_network", "errors_frameworks",
     "errors_graphics", "errors_science", "errors_tools", "errors_builds", "errors_loader",
     "checks"});

struct Explained {
  static Explained read(const TableSet& tables);

  std::vector<ErrorRow> errors;
  std::vector<Voice> voices;
  std::vector<std::string> harmless;  ///< lines with these texts tell no error
  std::vector<CheckRow> checks;
  std::vector<ExitStatusRow> statuses;
};

}  // namespace flense::knowledge
