// A profile as JSON and back: schema flense/host/v1 (docs/schemas/host-v1.json). A known fact is
// {"value": …, "evidence": source}, an unknown one {"unknown": why}; what does not apply is absent.
#pragma once

#include <string_view>

#include "base/result.h"
#include "host/profile.h"
#include "text/json.h"

namespace flense::host {

inline constexpr const char* kHostSchema = "flense/host/v1";

text::Json to_json(const Profile& profile);

/// Members that are missing stay unknown, members of another type are bad input, those that this
/// version does not know are passed over. `what` names the document in errors.
Result<Profile> from_json(const text::Json& json, std::string_view what);

}  // namespace flense::host
