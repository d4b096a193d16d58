// --root, --proc, --sys and --dev: the machine that a command reads, for all commands alike.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "cli/shared/args.h"
#include "host/tree.h"

namespace flense::cli {

struct PlaceOptions {
  std::optional<std::filesystem::path> root, proc, sys, dev;

  /// The first option of them that was given; empty when none was.
  std::string_view first_named() const;
};

/// Bad input when one of them is not a directory.
void declare(Options& options, PlaceOptions& places);
void add_root(Options& options, PlaceOptions& places);
void add_dev(Options& options, PlaceOptions& places);

host::Places places_of(const PlaceOptions& places);

}  // namespace flense::cli
