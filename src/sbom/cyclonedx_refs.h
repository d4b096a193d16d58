// References between the parts of a CycloneDX document, by bom-ref.
#pragma once

#include <map>
#include <string>
#include <unordered_set>

#include "base/result.h"
#include "text/json.h"

namespace flense::sbom {

struct RefChanges {
  std::unordered_set<std::string> gone;
  std::map<std::string, std::string, std::less<>> renamed;
};

/// Adds every bom-ref in it.
void collect_refs(const text::Json& node, std::unordered_set<std::string>& out);

/// Follows the changes wherever the format has a reference. Vulnerabilities, annotations and
/// compositions that are about nothing any more go, and what refers to them. Names that something
/// still has are not gone.
Result<void> follow_refs(text::Json& document, RefChanges changes);

}  // namespace flense::sbom
