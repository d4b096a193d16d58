#include "inventory/scan/library_functions.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/path.h"
#include "elf/dynamic_symbols.h"

namespace flense::inventory {

namespace {

constexpr std::size_t kMostFunctions = 2000, kLongestName = 250;

struct Functions {
  std::string_view library;
  /// How the names of functions begin that this library alone has, over all its releases.
  std::array<std::string_view, 6> beginnings;
};

/// libc10 is torch's. Its errors carry a std::string, of whose two ABIs each torch has one.
constexpr auto kFunctions = std::to_array<Functions>({
    {"libnccl.so", {"nccl"}},
    {"libc10.so",
     {"_ZN3c105Error", "_ZNK3c105Error", "_ZN3c106detail14torchCheckFail",
      "_ZN3c106detail23torchInternalAssertFail", "_ZN3c1015SmallVectorBase", "_ZN3c107Warning"}},
    {"libc10_cuda.so", {"_ZN3c104cuda"}},
});

const Functions* functions_of(std::string_view library) {
  const auto at = std::ranges::find_if(
      kFunctions, [&](const Functions& one) { return library.starts_with(one.library); });
  return at == kFunctions.end() ? nullptr : at;
}

bool has(const Functions& library, std::string_view function) {
  return std::ranges::any_of(library.beginnings, [&](std::string_view one) {
    return !one.empty() && function.starts_with(one);
  });
}

}  // namespace

std::vector<std::string> library_functions(const elf::File& file, const std::string& name,
                                           const std::vector<std::string>& needed) {
  std::vector<const Functions*> asked;
  const Functions* const own = functions_of(base_name(name));
  if (own != nullptr)
    asked = {own};
  else
    for (const std::string& library : needed)
      if (const Functions* one = functions_of(library)) asked.push_back(one);
  if (asked.empty()) return {};
  std::set<std::string> out;
  elf::for_each_dynamic_symbol(file, [&](const elf::DynamicSymbol& symbol) {
    const bool wanted = own != nullptr ? symbol.defined : !symbol.defined && !symbol.weak;
    if (wanted && symbol.name.size() <= kLongestName && out.size() <= kMostFunctions &&
        std::ranges::any_of(asked, [&](const Functions* one) { return has(*one, symbol.name); }))
      out.emplace(symbol.name);
  });
  if (out.size() > kMostFunctions) return {};
  return {out.begin(), out.end()};
}

std::string lacking_function(std::string_view library, const std::vector<std::string>& asked,
                             const std::vector<std::string>& there) {
  const Functions* const functions = functions_of(library);
  if (functions == nullptr || there.empty()) return {};
  for (const std::string& one : asked)
    if (has(*functions, one) && !std::ranges::binary_search(there, one)) return one;
  return {};
}

}  // namespace flense::inventory
