// Apptainer's .sif and enroot's .sqsh: their squashfs as an image of one layer.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "image/model/image.h"

namespace flense::image {

/// `form` is kSquashfs or kSif; the superblock (and a SIF's descriptors) are checked here.
Result<std::unique_ptr<Image>> open_squashfs(const MappedFile& file, const std::string& path,
                                             Form form);

}  // namespace flense::image
