// ELF files that check their own bytes when they are loaded, or that another file has a checksum
// of: modules validated by FIPS 140. A change of any byte, were it a symbol table, stops them.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "inventory/scan/contents.h"

namespace flense::slim {

/// Image path of the file -> what shows that it is checked.
using SelfChecked = std::map<std::string, std::string, std::less<>>;
SelfChecked find_self_checked(const inventory::Contents& contents);

}  // namespace flense::slim
