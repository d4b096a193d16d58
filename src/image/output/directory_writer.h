// The merged tree of the layers as a directory.
#pragma once

#include <memory>

#include "base/result.h"
#include "image/output/writer.h"

namespace flense::image {

Result<std::unique_ptr<ImageWriter>> create_directory_writer(const OutputSpec& spec);

}  // namespace flense::image
