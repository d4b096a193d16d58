// Inputs that are trees of files rather than tar layers: directories, a single ELF file, squashfs.
#pragma once

#include "base/result.h"
#include "image/layers/layer_walk.h"

namespace flense::image {

class EntrySource {
 public:
  EntrySource() = default;
  EntrySource(const EntrySource&) = delete;
  EntrySource& operator=(const EntrySource&) = delete;
  virtual ~EntrySource() = default;
  /// Visits every file, parents before children, siblings in byte order (a wheel: as stored); may
  /// be called from several threads.
  virtual Result<WalkResult> walk(const WalkOptions& options, const LayerVisitor& visit) const = 0;
};

}  // namespace flense::image
