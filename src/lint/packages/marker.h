// Markers of requirements (PEP 508): whether they can hold where something is installed.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace flense::lint {

/// What is known of the place; the system is Linux.
struct MarkerPlace {
  std::string_view python;              ///< "3.12"; empty: not known
  std::span<const std::string> extras;  ///< asked for, as PEP 503 writes names
  bool judges_extras = false;           ///< false: any extra may be asked for
};

/// False where a marker does not hold there; true where it does, or cannot be told.
bool may_hold(std::string_view marker, const MarkerPlace& place);

/// False where a marker rules Linux out, whatever the rest of the place is.
inline bool is_for_linux(std::string_view marker) {
  return may_hold(marker, {});
}

}  // namespace flense::lint
