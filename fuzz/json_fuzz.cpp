// Whatever parses is written and read again, and must be the same value. A member that is set in
// the text, and taken out again, changes nothing else.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "text/json.h"
#include "text/json_edit.h"

namespace {

void set_and_erase(std::string_view text, const flense::text::JsonPlace& place) {
  using namespace flense;
  const auto set = text::set_member(text, place, "a", text::Json(true), "input");
  if (!set) {
    if (set.error().code == Code::kInternal) std::abort();
    return;
  }
  if (!text::erase_member(*set, place, "a", "input")) std::abort();
}

}  // namespace

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
  set_and_erase(text, {});
  set_and_erase(text, {"a"});
  set_and_erase(text, {"a", "b"});
  return 0;
}
