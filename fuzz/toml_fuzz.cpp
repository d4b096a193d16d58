// TOML: a key that is set is there, nothing else has changed, and it can be taken out again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/toml.h"

namespace {

using flense::text::Json;
using flense::text::TomlTable;

void expect(bool condition) {
  if (!condition) std::abort();
}

/// Documents without the key compare equal, but for a table that was made for it.
Json without(Json document, const TomlTable& table, const std::string& key) {
  Json* at = &document;
  for (const std::string& name : table)
    if (at = at->find_mutable(name); at == nullptr) return document;
  at->erase(key);
  return document;
}

void set_and_erase(std::string_view text, const Json& document, const TomlTable& table,
                   const std::string& key) {
  const Json value = Json::array().push("/etc/cdi");
  const auto set = flense::text::set_toml(text, table, key, value, "fuzz");
  if (!set) return;
  const auto after = flense::text::parse_toml(*set, "after");
  expect(after.has_value());
  const Json* found = flense::text::toml_table(*after, table).find(key);
  expect(found != nullptr && *found == value);
  if (!flense::text::toml_table(document, table).is_null())
    expect(without(*after, table, key) == without(document, table, key));
  const auto erased = flense::text::erase_toml(*set, table, key, "fuzz");
  if (!erased) return;
  const auto last = flense::text::parse_toml(*erased, "last");
  expect(last.has_value() && *last == without(*after, table, key));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = flense::text::parse_toml(text, "fuzz");
  if (!document) return 0;
  set_and_erase(text, *document, {}, "a");
  set_and_erase(text, *document, {"a"}, "b");
  set_and_erase(text, *document, {"a", "b.c"}, "d");
  return 0;
}
