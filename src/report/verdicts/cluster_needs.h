// What a cluster has to look for before it starts an image: least drivers and compute capabilities
// in the few groups that rules are written of.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "compat/requirements.h"

namespace flense::report {

/// Compute capabilities by major: their minors.
using Capabilities = std::map<unsigned, std::set<unsigned>>;

/// GPUs that the image serves with one least driver.
struct NvidiaGroup {
  std::string driver;         ///< empty: not known
  Capabilities capabilities;  ///< may be empty
  Capabilities unserved;      ///< not to be chosen with these
};

/// GPUs with machine code run in minor-version mode; what compiles PTX needs the newer driver, and
/// is the last group.
struct NvidiaNeeds {
  std::vector<NvidiaGroup> groups;
  /// GPUs of a newer major than this are served, with the driver of the last group.
  std::optional<unsigned> onwards;
};
NvidiaNeeds nvidia_needs(const compat::Requirements& needs);

bool serves(const compat::Requirements& needs, std::string_view vendor);

/// At most three.
std::vector<unsigned> version_numbers(std::string_view version);

/// The comment above the rules: for whom they are, and that no driver is asked for where none is
/// known.
std::string head_of(const compat::Requirements& needs, std::string_view from);

/// In double quotes, control characters made visible.
std::string yaml_text(std::string_view text);

/// There is nothing to choose by.
Failure nothing_known(const compat::Requirements& needs);

}  // namespace flense::report
