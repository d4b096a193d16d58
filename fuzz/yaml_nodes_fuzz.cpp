// YAML as a tree: places lie in the text, and the tree is no larger than its caps.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/yaml_nodes.h"

namespace {

using flense::text::YamlNode;

void expect(bool condition) {
  if (!condition) std::abort();
}

struct Walk {
  std::size_t size = 0, visited = 0;

  void node(const YamlNode& node, unsigned depth) {
    expect(depth <= 201);
    expect(++visited <= (std::size_t{1} << 20) + 65536);
    expect(node.at.begin <= node.at.end && node.at.end <= size);
    for (const YamlNode* item : node.items) this->node(*item, depth + 1);
    for (const auto& member : node.members) {
      expect(member.at.begin <= member.at.end && member.at.end <= size);
      expect(member.merged || node.find(member.key) == member.value);
      this->node(*member.value, depth + 1);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const flense::text::YamlTree tree = flense::text::parse_yaml_nodes(text);
  Walk walk{size};
  for (const YamlNode* document : tree.documents) walk.node(*document, 0);
  if (tree.problem) expect(tree.problem->at <= size && !tree.problem->message.empty());
  return 0;
}
