// Functions of libraries that keep one SONAME while their functions change: who asks for what, and
// which of them a library lacks. Who asks for one that is not there is refused by the loader.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "elf/file.h"

namespace flense::inventory {

/// Of such a library, by the name of the file, its functions; of what links one those that it asks
/// for. Sorted; empty where there are more than are kept.
std::vector<std::string> library_functions(const elf::File& file, const std::string& name,
                                           const std::vector<std::string>& needed);

/// The first of `asked` that belongs to `library` and is not in `there`; empty: it lacks none, or
/// its functions are not known.
std::string lacking_function(std::string_view library, const std::vector<std::string>& asked,
                             const std::vector<std::string>& there);

}  // namespace flense::inventory
