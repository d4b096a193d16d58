// Who the image's command runs as, and where that user may write.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "inventory/describe/survey.h"

namespace flense::needs {

struct RunUser {
  /// The configuration names a user other than root, and etc/passwd or the number tells which.
  bool plain = false;
  std::uint64_t uid = 0, gid = 0;
  std::string home;  ///< image path: HOME, else of etc/passwd, else the root directory

  /// True when a program of this user can make or write `path`: by owner and mode of the nearest
  /// directory that exists. Root can; so can, as far as is known here, a user whom nothing tells.
  bool may_create(const inventory::Survey& survey, std::string_view path) const;
};

RunUser run_user(const inventory::Survey& survey);

}  // namespace flense::needs
