// Apptainer's .sif and enroot's .sqsh: their squashfs as an image of one layer.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "image/image.h"

namespace flense::image {

bool is_squashfs(Bytes bytes);
bool is_sif(Bytes bytes);

Result<std::unique_ptr<Image>> open_squashfs(MappedFile file, const std::string& path, Form form);

}  // namespace flense::image
