// An image of Docker's engine. The engine tells its id and layers at once, and streams all of it
// when anything is read, so it is asked for that as late as possible.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "image/model/image.h"

namespace flense::image {

/// Opens what the engine has saved.
using OpenSaved = std::function<Result<std::unique_ptr<Image>>(MappedFile)>;

/// What was saved before of the same id is described from options.memory, and saved again only when
/// a layer is opened.
Result<std::unique_ptr<Image>> open_docker_image(const std::string& reference,
                                                 const OpenOptions& options,
                                                 const OpenSaved& open_saved);

}  // namespace flense::image
