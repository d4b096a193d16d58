// HCL: places lie in the text and inside of what holds them, and the problem has its place.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lint/readers/hcl.h"

namespace {

using namespace flense::lint;

void expect(bool condition) {
  if (!condition) std::abort();
}

struct Walk {
  std::size_t size = 0;

  void inside(const Span& span) const { expect(span.begin <= span.end && span.end <= size); }

  void value(const HclValue& value, unsigned depth) const {
    expect(depth <= 101);
    inside(value.span);
    for (const HclValue& item : value.items) {
      expect(item.span.begin >= value.span.begin && item.span.end <= value.span.end);
      this->value(item, depth + 1);
    }
    for (const HclMember& member : value.members) {
      inside(member.key.span);
      this->value(member.value, depth + 1);
    }
  }

  void block(const HclBlock& block, unsigned depth) const {
    expect(depth <= 101);
    for (const Word& label : block.labels) inside(label.span);
    for (const HclAttribute& one : block.attributes) {
      inside(one.name.span);
      expect(!one.name.text.empty());
      value(one.value, 0);
    }
    for (const HclBlock& inner : block.blocks) {
      inside(inner.span);
      this->block(inner, depth + 1);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const HclFile file = parse_hcl(text);
  expect(file.problems.size() <= 1);
  for (const ParseProblem& problem : file.problems)
    expect(problem.span.begin <= size && !problem.message.empty());
  Walk{size}.block(file.body, 0);
  return 0;
}
