// An image with one more layer on top, which lies in a scratch file: what is made of an image
// before it is written.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "image/model/image.h"

namespace flense::image {

/// An uncompressed layer in a file.
struct LayerFile {
  MappedFile tar;
  std::string diff_id;      ///< "sha256:…" of its bytes
  std::string instruction;  ///< for the history
};

/// The layer as an image of its own, without a configuration: to be read like any other.
std::unique_ptr<const Image> layer_image(const LayerFile& layer);

/// `base`, which must outlive it, with `layer` on top, marked Layer::added; the configuration names
/// it.
std::unique_ptr<const Image> extended_image(const Image& base, const LayerFile& layer);

}  // namespace flense::image
