// The header Link (RFC 8288), by which a registry says where a list goes on.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace flense::image {

/// The path below /v2/REPOSITORY/ under which the list of tags goes on; empty: it ends here. Bad
/// input where the header cannot be understood: then nobody knows whether it ends.
Result<std::string> next_part(std::string_view link, std::string_view repository);

}  // namespace flense::image
