// Which torch an installation that leaves the version open gets, against the CUDA of its base.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "lint/facts/stage_view.h"

namespace flense::lint {

/// A command that takes a list into an image.
struct ListUse {
  const FileView* view = nullptr;
  std::size_t stage = 0;
  const Install* install = nullptr;  ///< null: in a script
  const PackageList* command = nullptr;

  const GpuImage& base() const { return view->stages[stage].image; }
};

/// The Python that a list is installed for: the one that the command names, or the base's, unless
/// another one is installed; empty: not known.
std::string python_of(const ListUse& use);

/// What pip takes where nothing says which torch: a build for another CUDA than the base's.
struct OtherCuda {
  std::string base, wheel;  ///< "11.8", "13.2"
  std::string fitting;      ///< "torch==2.7.* of https://download.pytorch.org/whl/cu118"; or empty
  bool older = false;       ///< than the base's
};

/// Null: it is of that CUDA, or cannot be told.
std::optional<OtherCuda> other_cuda(const knowledge::Knowledge& known,
                                    const PackageRequest& request, const PackageList& list,
                                    const ListUse& use);

}  // namespace flense::lint
