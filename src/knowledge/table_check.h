// Whether a file may lie over a built-in table. What its rows must hold is learnt from the built-in
// rows, so that no second description of them can grow old.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "text/json.h"

namespace flense::knowledge {

/// Members of `row` that its section names as "key": two rows with equal ones are of one thing.
std::string row_key(const text::Json& section, const text::Json& row);

/// Bad input that names `path`, section and row, and says what was expected there. `below` is the
/// table as it is without the file: an architecture must be of a row there, or of the file.
Result<void> check_table(std::string_view name, const text::Json& built_in, const text::Json& below,
                         const text::Json& own, std::string_view path);

}  // namespace flense::knowledge
