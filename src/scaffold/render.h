// The substitution in the templates of data/init. A value replaces its placeholder @@name@@; the
// lines between `@@if name@@` and `@@end@@` are kept if that name is set and not empty. Two at
// signs mean nothing in Dockerfiles, YAML, HCL, JSON, shell, Python, C++ and CMake, and unlike
// {{…}}, ${…} and <<…>> are not part of Go templates, Jinja, GitHub expressions, Compose variables
// or here-documents, which the written files use themselves.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace flense::scaffold {

using Marks = std::map<std::string, std::string, std::less<>>;

/// `what` names the template in errors. A mark without a value, and a condition that is nested or
/// never ends, are internal errors. Values are not searched for marks again.
Result<std::string> render(std::string_view text, const Marks& marks, std::string_view what);

}  // namespace flense::scaffold
