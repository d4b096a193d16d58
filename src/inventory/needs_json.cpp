#include "inventory/needs_json.h"

#include "inventory/needs_fields.h"

namespace flense::inventory {

namespace {

/// Images hold thousands of packages and libraries.
constexpr std::size_t kMaxItems = 200'000;

}  // namespace

text::Json needs_to_json(const Needs& needs) {
  return text::fields_to_json(needs);
}

Result<Needs> needs_from_json(const text::Json& json, std::string_view what) {
  Needs out;
  text::FieldReader reader(what, kMaxItems);
  reader.read(json, "$", out);
  if (!reader.complaint().empty()) return bad_input("{}", reader.complaint());
  return out;
}

}  // namespace flense::inventory
