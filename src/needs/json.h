// Needs as JSON and back: kept by digest in the cache, and written by hand in tables of tests.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "needs/needs.h"
#include "text/json.h"

namespace flense::needs {

text::Json needs_to_json(const Needs& needs);

/// Members that are missing keep their default, those of another type are bad input. `what` names
/// the document in errors.
Result<Needs> needs_from_json(const text::Json& json, std::string_view what);

/// Changes with the members of the structures and their names.
const std::string& needs_signature();

}  // namespace flense::needs
