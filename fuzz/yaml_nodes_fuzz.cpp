// YAML as a tree: places lie in the text and inside their parents, the tree is no larger than its
// caps, and what the strict reader accepts this one accepts too, with the same scalars.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "text/yaml.h"
#include "text/yaml_nodes.h"

namespace {

using flense::text::Json;
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

void same(const YamlNode& node, const Json& json) {
  expect(node.is_mapping() == json.is_object() && node.is_sequence() == json.is_array());
  if (node.is_sequence()) {
    expect(node.items.size() == json.items().size());
    for (std::size_t i = 0; i < node.items.size(); ++i) same(*node.items[i], json.items()[i]);
  }
  if (node.is_mapping()) {
    expect(node.members.size() == json.members().size());
    for (std::size_t i = 0; i < node.members.size(); ++i) {
      expect(node.members[i].key == json.members()[i].first);
      same(*node.members[i].value, json.members()[i].second);
    }
  }
  if (node.tag.empty()) expect(node.is_null() == json.is_null());
  if (json.is_string()) expect(node.text_or() == json.text());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const flense::text::YamlTree tree = flense::text::parse_yaml_nodes(text);
  Walk walk{size};
  for (const YamlNode* document : tree.documents) walk.node(*document, 0);
  if (tree.problem) expect(tree.problem->at <= size && !tree.problem->message.empty());
  const auto strict = flense::text::parse_yaml_documents(text, "fuzz");
  if (!strict) return 0;
  expect(!tree.problem && tree.documents.size() == strict->size());
  for (std::size_t i = 0; i < strict->size(); ++i) same(*tree.documents[i], (*strict)[i]);
  return 0;
}
