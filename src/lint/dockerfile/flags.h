// Which flags each instruction takes, and what BuildKit demands of their values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/dockerfile/lex.h"

namespace flense::lint {

/// Names, kinds and repetition.
void check_flags(const Instruction& instruction, std::vector<ParseProblem>& problems);
/// Values, with variables replaced; what is unknown is not judged.
void check_flag_values(const Instruction& instruction, const Scope& scope, char escape,
                       std::vector<ParseProblem>& problems);

/// Fields of one line of CSV; nullopt: a quote is wrong.
std::optional<std::vector<std::string>> csv_fields(std::string_view text);

}  // namespace flense::lint
