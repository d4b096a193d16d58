// What BuildKit demands of arguments once their variables are replaced: ports, signals, platforms.
// Each gives why the value is refused; empty: it is not.
#pragma once

#include <string>
#include <string_view>

namespace flense::lint {

std::string port_problem(std::string_view port);
std::string signal_problem(std::string_view signal);
std::string platform_problem(std::string_view platform);

}  // namespace flense::lint
