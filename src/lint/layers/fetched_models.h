// Models and data sets that a command downloads and leaves in the image.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lint/facts/build_steps.h"

namespace flense::lint {

struct FetchedModel {
  Span span;
  std::string what;      ///< "a model", "weights"
  std::string evidence;  ///< the address, or the command
  bool may_be_small = false;
};

/// What a command of a RUN downloads; nothing where a mount takes it, or the step deletes it.
std::optional<FetchedModel> fetched_model(const FileView& view, const Instruction& run,
                                          const StepCommand& command);

/// Detectors and policies of a few megabytes have these names too.
bool may_be_small(std::string_view path);

}  // namespace flense::lint
