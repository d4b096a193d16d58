// Jetson: what containers get is listed in CSV files that JetPack installs, one file a line: "lib,
// /usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1.1".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cdi/generate/discovery.h"

namespace flense::cdi {

struct CsvLine {
  enum class Kind { kDevice, kDirectory, kLibrary, kLink };
  Kind kind = Kind::kLibrary;
  std::string path;  ///< absolute; "*" and "?" in the last component only
  bool operator==(const CsvLine&) const = default;
};

/// Comments and empty lines are passed over. Anything but a kind and an absolute path without ".."
/// is bad input that names file and line.
Result<std::vector<CsvLine>> parse_csv(std::string_view text, std::string_view name);

/// An environment error without CSV files.
Result<void> generate_jetson(Discovery& discovery, Spec& spec);

}  // namespace flense::cdi
