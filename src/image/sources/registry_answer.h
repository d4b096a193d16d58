// What a registry, or the way to it, says through skopeo: in one sentence with a next step.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flense::image {

/// `said` is what skopeo wrote on stderr; `name` is the image, with skopeo's transport.
Failure registry_failure(std::string_view said, std::string_view name);

/// Whether skopeo's question for a manifest, which failed, leaves open that the image can be pushed
/// there: it need not exist yet, and who may not read may perhaps write.
bool leaves_push_open(std::string_view said);

/// Whether the registry has no such image.
bool says_missing(std::string_view said);

/// Whether the registry would have been understood over plain HTTP.
bool speaks_plain_http(std::string_view said);

/// Nothing came, or nothing moved, for as long as we wait.
Failure registry_silent(std::string_view name, std::chrono::seconds waited);

}  // namespace flense::image
