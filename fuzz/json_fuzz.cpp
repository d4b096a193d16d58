// Whatever parses is written and read again, and must be the same value.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "text/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using flense::text::dump_json;
  using flense::text::parse_json;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = parse_json(text, "input");
  if (!value) return 0;
  for (const int indent : {-1, 2}) {
    const auto again = parse_json(dump_json(*value, indent), "written");
    if (!again || *again != *value) std::abort();
  }
  return 0;
}
