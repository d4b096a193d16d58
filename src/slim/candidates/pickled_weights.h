// Pickled weights beside the same tensors in safetensors, which loaders take first.
#pragma once

#include <string>
#include <vector>

#include "image/model/image.h"
#include "inventory/scan/contents.h"
#include "slim/candidates/equal_files.h"

namespace flense::slim {

/// One member that goes (a file, or a link to a blob of a hub's cache), or that stays.
struct PickledWeights {
  image::EntryRef entry;
  std::string path;
  std::uint64_t bytes = 0;
  std::string stays;  ///< why; empty: it goes
};

/// Of each directory with both kinds: all pickles of one model, or none of them. They go where
/// safetensors are complete, every tensor of the pickles is in them with its type and shape (or
/// shares its storage with one that is), the settings that loaders ask for are there, and nothing
/// in the image names the pickles. Looks across layers.
std::vector<PickledWeights> find_pickled_weights(const image::Image& image,
                                                 const inventory::Contents& contents,
                                                 const Stays& stays);

}  // namespace flense::slim
