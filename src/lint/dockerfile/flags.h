// Which flags each instruction takes, and what BuildKit demands of their values and of other
// arguments.
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

/// Why BuildKit refuses the mount; empty: it does not, or a value is not known.
std::string mount_problem(const Flag& flag, const Scope& scope, char escape);
std::string device_problem(const Flag& flag);

// Of arguments once their variables are replaced: why the value is refused; empty: it is not.
std::string port_problem(std::string_view port);
std::string signal_problem(std::string_view signal);
std::string platform_problem(std::string_view platform);

}  // namespace flense::lint
