// The symbols by which a file is linked at run time: .dynsym (gABI chapter 4, "Symbol Table").
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "elf/file.h"

namespace flense::elf {

struct DynamicSymbol {
  std::string_view name;  ///< within the file
  bool defined = false;   ///< here; else it is asked of the libraries that the file lists
  bool weak = false;      ///< the loader goes on without it
};

/// Symbols without a name, and names outside of the string table, are passed over.
void for_each_dynamic_symbol(const File& file,
                             const std::function<void(const DynamicSymbol&)>& visit);

}  // namespace flense::elf
