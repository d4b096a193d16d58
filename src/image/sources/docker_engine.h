// Docker's engine by its own API: is an image there, save it, load one. Engine API 1.24 and later.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "guard/broker.h"
#include "image/model/image.h"

namespace flense::image {

/// An engine, and how it is asked.
struct Engine {
  std::string address;
  guard::Broker* broker = nullptr;  ///< asks it for a confined process; null: we ask it
};
/// Environment error when there is none.
Result<Engine> docker_engine(guard::Broker* broker);

/// Where the engine listens: DOCKER_HOST, the current context, the usual sockets. Environment
/// error when there is none.
Result<std::string> docker_address();

/// What the engine says of the image, JSON; nullopt: it does not have it.
Result<std::optional<std::string>> docker_inspect(const Engine& engine,
                                                  const std::string& reference);

/// The engine's save stream in an unlinked scratch file.
Result<MappedFile> docker_save(const Engine& engine, const std::string& reference,
                               const OpenOptions& options);

/// What a broker answers docker_engine() and the two functions above about these images, and no
/// more: it sends the request, and hands back what can only be read.
Result<guard::Answer> ask_docker(const std::vector<std::string>& words,
                                 const std::vector<std::string>& references);

/// Loads a docker-archive file.
Result<void> docker_load(const std::string& address, const std::filesystem::path& archive);

}  // namespace flense::image
