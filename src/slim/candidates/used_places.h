// Caches and temporary directories that the image itself uses: what a rule that goes by the place
// alone may not take.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "image/layers/merged_tree.h"
#include "image/model/image.h"

namespace flense::slim {

class UsedPlaces {
 public:
  /// Looks at the environment, the command and the working directory of the configuration, and at
  /// symbolic links that lead into such a place from outside: uv and conda install that way when
  /// told to.
  static UsedPlaces find(const image::Image& image, const image::MergedTree& tree);

  /// Who names `path` or a directory above it; empty when nobody does.
  std::string_view holder(std::string_view path) const;

 private:
  std::map<std::string, std::string, std::less<>> holders_;
};

}  // namespace flense::slim
