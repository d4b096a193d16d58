// SBOMs of the original that lie in its index, as BuildKit attaches them, made anew for a slim
// image: without what is gone, and with their origin.
#pragma once

#include <string>
#include <vector>

#include "image/model/image.h"
#include "slim/plan/options.h"

namespace flense::slim {

struct ReissuedSbom {
  std::string media_type;  ///< "application/spdx+json", "application/vnd.cyclonedx+json"
  std::string ending;      ///< of files: "spdx.json", "cdx.json"
  std::string text;
};
struct ReissuedSboms {
  std::vector<ReissuedSbom> sboms;
  std::vector<std::string> notices;  ///< also of those that could not be made anew
};

/// Both images were opened with their index. Reads all layers of both where the original has an
/// SBOM, for files that it lists; nothing else.
Result<ReissuedSboms> reissue_sboms(const image::Image& original, const image::Image& result,
                                    const Workplace& workplace);

}  // namespace flense::slim
