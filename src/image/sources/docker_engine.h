// Docker's engine by its own API: is an image there, save it, load one. Engine API 1.24 and later.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "image/model/image.h"

namespace flense::image {

/// Where the engine listens: DOCKER_HOST, the current context, the usual sockets. Environment
/// error when there is none.
Result<std::string> docker_address();

/// What the engine at `address` says of the image, JSON; nullopt: it does not have it.
Result<std::optional<std::string>> docker_inspect(const std::string& address,
                                                  const std::string& reference);

/// The engine's save stream in an unlinked scratch file.
Result<MappedFile> docker_save(const std::string& address, const std::string& reference,
                               const OpenOptions& options);

/// Loads a docker-archive file.
Result<void> docker_load(const std::string& address, const std::filesystem::path& archive);

}  // namespace flense::image
