// What an SPDX document says of where its packages are, and which of its elements go.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "sbom/sbom.h"

namespace flense::sbom {

struct SpdxGraph {
  std::vector<Fate> files;                          ///< as in the document's list
  std::vector<bool> gone_packages;                  ///< the same
  std::vector<bool> gone_snippets;                  ///< the same
  std::vector<std::vector<std::size_t>> contained;  ///< of each package: files in it
  std::vector<bool> described;                      ///< packages that the document is about
  std::unordered_set<std::string> gone;             ///< identifiers that nothing has any more
};

/// Bad input where the lists that tell it have another shape.
Result<SpdxGraph> spdx_graph(const text::Json& document, const Fates& fates);

/// Takes out what names an element that is gone.
void filter_spdx_references(text::Json& document, const std::unordered_set<std::string>& gone);

}  // namespace flense::sbom
