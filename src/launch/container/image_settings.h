// What an image says about how it is started: the "config" object of an OCI image configuration
// (image-spec config.md), read leniently, bounded, without a NUL byte anywhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/json.h"

namespace flense::launch {

struct ImageSettings {
  std::vector<std::string> env;  ///< "NAME=value"
  std::vector<std::string> entrypoint, command;
  std::string working_directory;
  std::string user;  ///< "name", "uid", "uid:gid", …
};

/// Of the whole configuration; of null (a directory, a squashfs) nothing is set.
Result<ImageSettings> image_settings(const text::Json& config);

}  // namespace flense::launch
