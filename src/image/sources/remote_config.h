// An image by its manifest and configuration alone, before any layer is pulled.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "image/model/image.h"

namespace flense::image {

/// How the documents are fetched: arguments of `skopeo inspect` without the name, and the digest of
/// the manifest that is meant; empty: the name as it was given.
using FetchDocument = std::function<Result<std::string>(const std::vector<std::string>& arguments,
                                                        const std::string& digest)>;

/// `manifest` is the raw manifest or index as fetched. Documents are verified against the digests
/// that name them. Layers of the result are known and cannot be opened.
Result<std::unique_ptr<Image>> open_remote_config(const std::string& manifest,
                                                  const Platform& platform,
                                                  const FetchDocument& fetch);

/// The same of what Docker's engine says of an image (GET /images/NAME/json): all but the history.
Result<std::unique_ptr<Image>> open_engine_config(const std::string& inspected);

}  // namespace flense::image
