// Values from the tree.
#include <algorithm>
#include <optional>

#include "text/yaml.h"
#include "text/yaml_nodes.h"
#include "text/yaml_scalar.h"

namespace flense::text {

namespace {

/// The values of nodes, until one has none: then problem() tells. The tree bounds depth, and what
/// its aliases expand to.
class Values {
 public:
  std::optional<Json> of(const YamlNode& node) {
    switch (node.kind) {
      case YamlNode::Kind::kNull:
        return Json();
      case YamlNode::Kind::kScalar:
        return scalar(node);
      case YamlNode::Kind::kSequence:
        return sequence(node);
      case YamlNode::Kind::kMapping:
        return mapping(node);
    }
    return std::nullopt;
  }

  const YamlProblem& problem() const { return problem_; }

 private:
  std::nullopt_t refuse(const YamlNode& node, std::string why) {
    problem_ = {node.at.begin, YamlFault::kRefused, std::move(why)};
    return std::nullopt;
  }

  std::optional<Json> scalar(const YamlNode& node) {
    const std::string &text = node.text, &tag = node.tag;
    if (tag.empty() && !node.plain) return Json(text);
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return Json(text);
    std::optional<PlainScalar> known = plain_scalar(text);
    if (tag.empty() && !known) return Json(text);
    if (known && known->bad)
      return refuse(node, fmt::format("the number {} cannot be held", text.substr(0, 40)));
    if (!tag.empty() && (!known || !has_tag(known->value, tag)))
      return refuse(node, fmt::format("'{}' is not of the type {}", text.substr(0, 40), tag));
    return std::move(known->value);
  }

  static bool has_tag(const Json& value, std::string_view tag) {
    if (tag == "tag:yaml.org,2002:null") return value.is_null();
    if (tag == "tag:yaml.org,2002:bool") return value.is_bool();
    if (tag == "tag:yaml.org,2002:int")
      return value.is_number() && value != Json(value.number_or(0));
    return tag == "tag:yaml.org,2002:float" && value.is_number();
  }

  bool is_core(const YamlNode& node, std::string_view core) {
    if (node.tag.empty() || node.tag == "!" || node.tag == core) return true;
    refuse(node, fmt::format("the tag {} is not in YAML's core schema", node.tag));
    return false;
  }

  std::optional<Json> sequence(const YamlNode& node) {
    if (!is_core(node, "tag:yaml.org,2002:seq")) return std::nullopt;
    Json::Array out;
    for (const YamlNode* item : node.items) {
      std::optional<Json> value = of(*item);
      if (!value) return std::nullopt;
      out.push_back(std::move(*value));
    }
    return Json(std::move(out));
  }

  std::optional<Json> mapping(const YamlNode& node) {
    if (!is_core(node, "tag:yaml.org,2002:map")) return std::nullopt;
    Json::Object out;
    for (const YamlMember& member : node.members) {
      std::optional<Json> value = of(*member.value);
      if (!value) return std::nullopt;
      out.emplace_back(member.key, std::move(*value));
    }
    return Json(std::move(out));
  }

  YamlProblem problem_;
};

/// "line 3, column 7", in characters.
std::string line_and_column(std::string_view text, std::size_t at) {
  std::string_view before = text.substr(0, at);
  if (before.starts_with("\xEF\xBB\xBF")) before.remove_prefix(3);
  const std::size_t start = before.find_last_of("\r\n") + 1;  // npos + 1 is 0
  const auto lines = static_cast<std::size_t>(std::ranges::count(before, '\n'));
  const auto characters = std::ranges::count_if(
      before.substr(start), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  return fmt::format("line {}, column {}", lines + 1, characters + 1);
}

Failure failure_of(const YamlProblem& problem, std::string_view text, std::string_view what) {
  if (problem.fault == YamlFault::kNotText)
    return bad_input("{} is not valid YAML: byte {}: {}", what, problem.at, problem.message);
  return bad_input(
      "{} {}: {}: {}", what,
      problem.fault == YamlFault::kSyntax ? "is not valid YAML" : "cannot be read as YAML",
      line_and_column(text, problem.at), problem.message);
}

}  // namespace

Result<std::vector<Json>> parse_yaml_documents(std::string_view text, std::string_view what) {
  const YamlTree tree = parse_yaml_nodes(text);
  if (tree.problem) return failure_of(*tree.problem, text, what);
  Values values;
  std::vector<Json> out;
  for (const YamlNode* document : tree.documents) {
    std::optional<Json> value = values.of(*document);
    if (!value) return failure_of(values.problem(), text, what);
    out.push_back(std::move(*value));
  }
  return out;
}

Result<Json> parse_yaml(std::string_view text, std::string_view what) {
  TRY(std::vector<Json> documents, parse_yaml_documents(text, what));
  if (documents.size() > 1)
    return bad_input("{} holds {} YAML documents, one was expected", what, documents.size());
  return documents.empty() ? Json() : std::move(documents.front());
}

}  // namespace flense::text
