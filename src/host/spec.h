// The words by which a user names a machine (--host): "this"; the file of a profile that flense
// host
// --json wrote; or GPUs and a driver, "h100@550.54.15", for a machine that nobody has seen yet.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "host/profile.h"
#include "host/tree.h"

namespace flense::host {

/// GPU[,GPU…][@DRIVER]: products ("h100"), families ("ampere") or architectures ("sm_90"). Of such
/// a profile everything else is unknown. Usage errors name what is near.
Result<Profile> described_profile(std::string_view words);

/// The text of a profile; `name` becomes its source.
Result<Profile> parse_profile(std::string_view text, const std::string& name);

/// Any of the three. What holds a slash, ends with .json or is there is a file. `places` are those
/// of "this".
Result<Profile> profile_of(const std::string& spec, const Places& places);

}  // namespace flense::host
