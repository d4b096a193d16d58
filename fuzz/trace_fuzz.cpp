// Any text is read as a trace: an error, or image paths that stay inside the image, sorted, each
// once, and the same when they are written and read again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/path.h"
#include "slim/sandbox/trace_file.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto paths = flense::slim::parse_trace(text, "input");
  if (!paths) return 0;
  check(std::ranges::is_sorted(*paths));
  check(std::ranges::adjacent_find(*paths) == paths->end());
  flense::slim::MetPaths met;
  for (const std::string& path : *paths) {
    check(!path.empty() && path.find('\n') == std::string::npos);
    const auto normal = flense::normalise_member_path(path);
    check(normal && *normal == path);
    // A carriage return at the end of a line is the line's.
    if (path.find('\r') == std::string::npos) met.used.push_back(path);
  }
  const auto again = flense::slim::parse_trace(
      flense::slim::trace_text(std::string_view(text).substr(0, 100), met), "again");
  check(again && *again == met.used);
  return 0;
}
