// All tables as typed values, read once and handed down; what a verdict may lean on.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "knowledge/table_set.h"

namespace flense::knowledge {

struct Knowledge {
  /// `directory` is the user's own (--data).
  static Result<Knowledge> load(const std::optional<std::filesystem::path>& directory = {});

  TableSet tables;
};

}  // namespace flense::knowledge
