// A squashfs file as output, for machines that mount images instead of unpacking them. The file is
// made by tar2sqfs (squashfs-tools-ng), which takes a tar stream, so that owners survive without
// root, and gives the same bytes every time. Needs one layer: the writer of several is an internal
// error.
#pragma once

#include <memory>

#include "base/result.h"
#include "image/output/writer.h"

namespace flense::image {

/// An environment error when tar2sqfs is not on PATH.
Result<std::unique_ptr<ImageWriter>> create_squashfs_writer(const OutputSpec& spec);

}  // namespace flense::image
