// What a container is started with: equal but for what slim says of itself.
#pragma once

#include <optional>

#include "image/model/image.h"
#include "verify/finding.h"
#include "verify/record.h"

namespace flense::verify {

/// `layers_kept`: the layers are those of the image before, one by one, and so is the history.
void compare_configuration(const image::Image& before, const image::Image& after,
                           const CodeRule& rule, bool layers_kept, Findings& findings);

/// What an image says in its labels, or in a marker: who made it for what.
struct Statement {
  std::vector<std::string> gpus;
  std::optional<Level> level;
  bool recompressed = false;
};
Statement statement_of(const image::Image& image);

/// Variables of the environment, the last of a name counts.
std::string environment_value(const image::Image& image, std::string_view name);

}  // namespace flense::verify
