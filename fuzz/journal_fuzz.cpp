// Any bytes are read as a journal of slim --in-place: an error, or steps on files inside the tree
// that are the same when they are written and read again.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/path.h"
#include "slim/apply/changed_tree.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const flense::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto steps = flense::slim::parse_journal(bytes, "input");
  if (!steps) return 0;
  for (const flense::slim::TreeStep& step : *steps) {
    const auto normal = flense::normalise_member_path(step.path);
    require(normal && *normal == step.path && !step.path.empty());
    require(!step.path.starts_with(std::string(flense::slim::kInPlaceWork) + "/"));
  }
  const std::string text = flense::slim::journal_of(*steps);
  const auto again = flense::slim::parse_journal(flense::as_bytes(text), "again");
  require(again && again->size() == steps->size());
  return 0;
}
