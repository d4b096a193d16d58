// Version numbers of drivers, toolkits and instruction sets: dotted decimal numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flense {

/// Negative, 0 or positive as `a` is older, the same or newer. Number by number; missing numbers
/// count as 0, and what follows the digits of a part for nothing: 12.4 == 12.4.0 == 12.4-rc1.
int compare_versions(std::string_view a, std::string_view b);
inline bool version_at_least(std::string_view version, std::string_view floor) {
  return compare_versions(version, floor) >= 0;
}

/// "12.4" of "12.4.127"; a version of one number stays as it is.
std::string major_minor(std::string_view version);
/// The first number: the branch of a driver, the major of a CUDA version. Nullopt without one.
std::optional<std::uint64_t> first_number(std::string_view version);

/// Digits and dots, starting with a digit, at most 32 characters.
bool is_version(std::string_view text);

}  // namespace flense
