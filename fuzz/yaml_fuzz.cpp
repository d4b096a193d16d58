// YAML: whatever is read can be written, and is then read as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/yaml.h"

namespace {

void expect(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto documents = flense::text::parse_yaml_documents(text, "fuzz");
  if (!documents) return 0;
  for (const flense::text::Json& document : *documents) {
    const std::string written = flense::text::dump_yaml(document);
    const auto again = flense::text::parse_yaml(written, "again");
    expect(again.has_value() && *again == document);
    expect(flense::text::dump_yaml(*again) == written);
  }
  return 0;
}
