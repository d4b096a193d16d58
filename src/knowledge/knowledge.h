// All tables as typed values, read once and handed down; what a verdict may lean on.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "knowledge/architectures.h"
#include "knowledge/drivers.h"
#include "knowledge/forward_compat.h"
#include "knowledge/table_set.h"

namespace flense::knowledge {

struct Knowledge {
  /// `directory` is the user's own (--data).
  static Result<Knowledge> load(const std::optional<std::filesystem::path>& directory = {});

  TableSet tables;
  Drivers drivers;
  Architectures architectures;
  ForwardCompat forward_compat;
};

}  // namespace flense::knowledge
