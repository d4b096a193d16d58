// SBOMs of the original that lie in its index, as BuildKit attaches them, made anew for a slim
// image: without what is gone, and with their origin.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "image/layers/merged_tree.h"
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

/// The SBOMs of an image that was opened with its index.
class OriginalSboms {
 public:
  /// Reads those layers that hold files which they list. `original` and its `tree` outlive it.
  static Result<OriginalSboms> read(const image::Image& original, const image::MergedTree& tree,
                                    const Workplace& workplace);
  OriginalSboms(OriginalSboms&&) noexcept;
  OriginalSboms& operator=(OriginalSboms&&) noexcept;
  ~OriginalSboms();

  /// For one of its slim images, whose layers are read.
  Result<ReissuedSboms> reissue(const image::Image& result) const;

 private:
  struct Parts;
  explicit OriginalSboms(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace flense::slim
