// How much a finding of any command weighs.
#pragma once

#include <cstdint>
#include <string_view>

namespace flense {

enum class Severity : std::uint8_t { kError, kWarning, kInfo };

constexpr std::string_view to_string(Severity severity) {
  constexpr std::string_view kNames[] = {"error", "warning", "info"};
  return kNames[static_cast<std::size_t>(severity)];
}

/// kWarning for anything but "error" and "info".
constexpr Severity severity_of(std::string_view word) {
  if (word == "error") return Severity::kError;
  return word == "info" ? Severity::kInfo : Severity::kWarning;
}

}  // namespace flense
