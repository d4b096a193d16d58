// Which build of flense this is.
#pragma once

#include <string>

namespace flense::inventory {

/// The build id that the linker gave this program (ld --build-id): differs between programs that
/// differ anywhere. Empty when it was linked without one.
std::string own_build();

}  // namespace flense::inventory
