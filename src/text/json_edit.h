// Edits of single members that leave every other byte of a JSON document alone: order, white space,
// the spelling of numbers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/json.h"

namespace flense::text {

/// The names of an object from the root; empty: the root.
using JsonPlace = std::vector<std::string>;

/// The document with this member of this object set: the value replaced where it stands, or a
/// member behind the last, spaced as the first is; objects on the way are made. Bad input where
/// something on the way is no object.
Result<std::string> set_member(std::string_view text, const JsonPlace& place,
                               const std::string& key, const Json& value, std::string_view what);
/// The document without this member; the same where there is none.
Result<std::string> erase_member(std::string_view text, const JsonPlace& place,
                                 const std::string& key, std::string_view what);

}  // namespace flense::text
