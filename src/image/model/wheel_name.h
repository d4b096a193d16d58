// The names of wheel files (PyPA, "Binary distribution format", File name convention).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace flense::image {

struct WheelName {
  std::string distribution, version;
  std::string build;  ///< begins with a digit; empty: none
  std::string tags;   ///< "cp312-cp312-manylinux_2_28_x86_64"

  std::string text() const;  ///< the file's name
};

/// Bad input says what is no part of such a name.
Result<WheelName> parse_wheel_name(std::string_view file_name);

}  // namespace flense::image
