// What launch files say about inputs and outputs; rows of data/launch.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

/// An image whose use is known by its name.
struct LaunchImageRow {
  std::string repository;  ///< as ImageName::familiar(), with '*'
  std::string vendor;      ///< whose GPUs it cannot do without; empty: it may run without
  std::string role;        ///< "serve", "train"; empty: either
  bool large = false;      ///< over 5 GB
  bool shm = false;        ///< its documentation asks for more shared memory than the default
  std::string cache;       ///< where it keeps downloaded models
  std::string source;
};

/// An argument or a variable that names a directory.
struct LaunchPathRow {
  std::string name;   ///< "--data-dir", "HF_HOME"
  std::string means;  ///< "data", "output", "model", "cache", "scratch", "checkpoint"
  std::string source;
};

struct LaunchFacts {
  static LaunchFacts read(const TableSet& tables);

  std::vector<LaunchImageRow> images;
  std::vector<LaunchPathRow> arguments, variables;

  // Null where the table has no such row.
  const LaunchImageRow* image(std::string_view repository) const;
  const LaunchPathRow* argument(std::string_view name) const;
  const LaunchPathRow* variable(std::string_view name) const;
};

}  // namespace flense::knowledge
