// All tables as typed values, read once and handed down; what a verdict may lean on.
#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "knowledge/architectures.h"
#include "knowledge/build_facts.h"
#include "knowledge/cpu_isa.h"
#include "knowledge/drivers.h"
#include "knowledge/explained.h"
#include "knowledge/forward_compat.h"
#include "knowledge/frameworks.h"
#include "knowledge/glibc.h"
#include "knowledge/images.h"
#include "knowledge/launch_facts.h"
#include "knowledge/redistribution.h"
#include "knowledge/releases.h"
#include "knowledge/rocm.h"
#include "knowledge/table_set.h"

namespace flense::knowledge {

struct Knowledge {
  /// `directory` is the user's own (--data).
  static Result<Knowledge> load(const std::optional<std::filesystem::path>& directory = {});
  /// For the start of a container, which a millisecond counts for: `build`, `images`, `launch`,
  /// `releases` and `explained` stay empty.
  static Result<Knowledge> load_for_verdicts();

  TableSet tables;
  Drivers drivers;
  Architectures architectures;
  ForwardCompat forward_compat;
  Rocm rocm;
  Glibc glibc;
  CpuIsa cpu_isa;
  Frameworks frameworks;
  Redistribution redistribution;
  BuildFacts build;
  Images images;
  LaunchFacts launch;
  Releases releases;
  Explained explained;

 private:
  static Knowledge read(TableSet tables);
};

}  // namespace flense::knowledge
