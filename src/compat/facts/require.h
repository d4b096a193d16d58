// The language of NVIDIA_REQUIRE_*: "cuda>=12.4 brand=tesla,driver>=535,driver<536". Blanks are OR,
// commas AND; properties cuda, driver, arch, brand; operators = != < <= > >=. Evaluated as in
// libnvidia-container (src/cli/dsl.c): terms that are not reached are not looked at, names and
// brands compare case-insensitively, versions number by number.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "needs/needs.h"

namespace flense::compat {

/// What the terms compare with: of the driver and of one GPU.
struct RequireFacts {
  std::optional<std::string> cuda, driver, arch, brand;
};

enum class Requirement : std::uint8_t {
  kMet,
  kUnmet,
  kUnknown,  ///< it depends on a missing fact
  kInvalid,  ///< the evaluator stops with "invalid expression"
};

struct RequireResult {
  Requirement answer = Requirement::kMet;
  /// What is unknown or invalid, or was not met: "cuda >= 12.4". Of several alternatives the first,
  /// as nvidia-container-cli reports it.
  std::string term;
};
RequireResult evaluate_requirement(std::string_view expression, const RequireFacts& facts);

/// The requirements that an image states: name of the variable and expression. Empty where
/// NVIDIA_DISABLE_REQUIRE switches them off. An image with CUDA_VERSION and without
/// NVIDIA_REQUIRE_CUDA asks for that CUDA.
std::vector<std::pair<std::string, std::string>> requirements_of(const needs::Needs& image);

/// As Go's strconv.ParseBool reads a truth: 1, t, T, TRUE, true, True.
bool is_true_word(std::string_view text);

}  // namespace flense::compat
