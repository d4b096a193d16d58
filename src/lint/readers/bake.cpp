// Bake files (Docker's Bake file reference), in HCL and in JSON: the targets, with variables'
// defaults substituted and inherited values included.
#include <map>
#include <set>

#include "base/format.h"
#include "lint/readers/hcl.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"

namespace flense::lint {

namespace {

using text::YamlMember;
using text::YamlNode;

constexpr unsigned kMaxNesting = 20;

class Bake {
 public:
  Bake(const SourceText& source, const HclBlock& body, FileContent& file)
      : source_(source), body_(body), file_(file) {}

  void read() {
    for (const HclBlock& block : body_.blocks) variable(block);
    for (const HclAttribute& one : body_.attributes) {
      // A top-level attribute is the short form of a variable.
      if (const auto value = known_text(one.value)) variables_[one.name.text] = *value;
    }
    for (const HclBlock& block : body_.blocks)
      if (block.type.text == "target") target(block);
    inherit();
  }

 private:
  void variable(const HclBlock& block) {
    if (block.type.text != "variable" || block.labels.empty()) return;
    const HclValue* value = block.find("default");
    if (value == nullptr) return;
    if (const auto known = known_text(*value)) variables_[block.labels[0].text] = *known;
  }

  /// nullopt: not known without its caller's environment.
  std::optional<std::string> known_text(const HclValue& value) const {
    switch (value.kind) {
      case HclValue::Kind::kText:
        return expand(value.text);
      case HclValue::Kind::kNumber:
      case HclValue::Kind::kBool:
        return value.text;
      case HclValue::Kind::kReference: {
        const auto at = variables_.find(value.text);
        if (at == variables_.end() || !afford(at->second.size())) return std::nullopt;
        return at->second;
      }
      default:
        return std::nullopt;
    }
  }

  std::optional<std::string> expand(std::string_view text) const {
    std::string out;
    while (!text.empty()) {
      const std::size_t at = text.find("${");
      out += text.substr(0, at);
      if (at == text.npos) break;
      if (at > 0 && text[at - 1] == '$') {
        out += '{';
        text.remove_prefix(at + 2);
        continue;
      }
      const std::size_t end = text.find('}', at);
      if (end == text.npos) return std::nullopt;
      const auto found = variables_.find(text.substr(at + 2, end - at - 2));
      if (found == variables_.end()) return std::nullopt;
      out += found->second;
      if (!afford(found->second.size())) return std::nullopt;
      text.remove_prefix(end + 1);
    }
    return out;
  }

  /// The value, or nothing of it where it is not known; always its place.
  Word word(const HclValue* value) const {
    if (value == nullptr) return {};
    Span span = value->span;
    const std::string_view raw = source_.slice(span);
    if (raw.size() >= 2 && raw.front() == '"' && raw.back() == '"') {
      ++span.begin;
      --span.end;
    }
    return {known_text(*value).value_or(std::string()), span};
  }

  /// cache-from = ["type=gha"], or [{type = "gha"}]
  std::vector<Word> words(const HclValue* value) const {
    std::vector<Word> out;
    if (value == nullptr) return out;
    for (const HclValue& item : value->items) {
      if (item.kind != HclValue::Kind::kObject) {
        out.push_back(word(&item));
        continue;
      }
      Word joined{{}, item.span};
      for (const HclMember& member : item.members)
        joined.text += fmt::format("{}{}={}", joined.text.empty() ? "" : ",", member.key.text,
                                   known_text(member.value).value_or(std::string()));
      out.push_back(std::move(joined));
    }
    return out;
  }

  std::vector<std::pair<Word, Word>> pairs(const HclValue* value) const {
    std::vector<std::pair<Word, Word>> out;
    if (value == nullptr) return out;
    for (const HclMember& member : value->members)
      out.emplace_back(member.key, word(&member.value));
    return out;
  }

  void target(const HclBlock& block) {
    if (block.labels.size() != 1) {
      file_.problems.push_back({block.type.span, "a target has one name: target \"NAME\" { … }"});
      return;
    }
    BuildTarget out;
    out.path = source_.path();
    out.name = block.labels[0].text;
    out.span = block.labels[0].span;
    out.inherits = words(block.find("inherits"));
    out.context = word(block.find("context"));
    out.dockerfile = word(block.find("dockerfile"));
    out.stage = word(block.find("target"));
    out.inline_dockerfile = block.find("dockerfile-inline") != nullptr;
    out.args = pairs(block.find("args"));
    out.contexts = pairs(block.find("contexts"));
    out.platforms = words(block.find("platforms"));
    out.cache_from = words(block.find("cache-from"));
    out.cache_to = words(block.find("cache-to"));
    out.tags = words(block.find("tags"));
    file_.targets.push_back(std::move(out));
  }

  /// What a target does not say itself it has from the last of those it inherits that does.
  void inherit() {
    std::map<std::string, std::size_t, std::less<>> names;
    for (std::size_t i = 0; i < file_.targets.size(); ++i) names[file_.targets[i].name] = i;
    const std::vector<BuildTarget> stated = file_.targets;
    for (BuildTarget& target : file_.targets) {
      std::set<std::size_t> seen;
      std::vector<std::size_t> next;
      const auto follow = [&](const BuildTarget& from) {
        for (const Word& name : from.inherits)
          if (const auto at = names.find(name.text);
              at != names.end() && seen.size() < kMaxInherited && seen.insert(at->second).second)
            next.push_back(at->second);
      };
      follow(stated[names[target.name]]);
      while (!next.empty()) {
        const BuildTarget& from = stated[next.back()];
        next.pop_back();
        if (target.context.span.empty()) target.context = from.context;
        if (target.dockerfile.span.empty()) target.dockerfile = from.dockerfile;
        if (target.stage.span.empty()) target.stage = from.stage;
        if (target.platforms.empty()) target.platforms = from.platforms;
        follow(from);
      }
    }
  }

  /// Variables may stand for little more than a file holds, all together.
  bool afford(std::size_t bytes) const {
    expanded_ += bytes;
    return expanded_ <= kMaxExpanded;
  }

  static constexpr std::size_t kMaxExpanded = std::size_t{4} << 20, kMaxInherited = 64;

  const SourceText& source_;
  const HclBlock& body_;
  FileContent& file_;
  std::map<std::string, std::string, std::less<>> variables_;
  mutable std::size_t expanded_ = 0;
};

HclValue hcl_value(const YamlNode& node, unsigned depth) {
  HclValue out;
  out.span = span_of(node.at);
  if (depth > kMaxNesting) return out;
  if (node.is_scalar()) {
    out.kind = node.is_text()   ? HclValue::Kind::kText
               : node.boolean() ? HclValue::Kind::kBool
                                : HclValue::Kind::kNumber;
    out.text = node.text;
  } else if (node.is_sequence()) {
    out.kind = HclValue::Kind::kList;
    for (const YamlNode* item : node.items) out.items.push_back(hcl_value(*item, depth + 1));
  } else if (node.is_mapping()) {
    out.kind = HclValue::Kind::kObject;
    for (const YamlMember& member : node.members)
      out.members.push_back(
          {{member.key, span_of(member.at)}, hcl_value(*member.value, depth + 1)});
  } else {
    out.kind = HclValue::Kind::kNull;
  }
  return out;
}

Span inside_quotes(Span span) {
  if (span.end - span.begin >= 2) return {span.begin + 1, span.end - 1};
  return span;
}

/// {"target": {"app": {…}}} as the blocks that HCL would have.
void add_blocks(HclBlock& body, std::string_view type, const YamlNode& named) {
  for (const YamlMember& member : named.members) {
    HclBlock block;
    block.type = {std::string(type), span_of(member.at)};
    block.labels.push_back({member.key, inside_quotes(span_of(member.at))});
    for (const YamlMember& inner : member.value->members)
      block.attributes.push_back(
          {{inner.key, inside_quotes(span_of(inner.at))}, hcl_value(*inner.value, 0)});
    body.blocks.push_back(std::move(block));
  }
}

}  // namespace

FileContent read_bake_hcl(const SourceText& source) {
  FileContent out;
  HclFile hcl = parse_hcl(source.text());
  for (ParseProblem& problem : hcl.problems)
    out.problems.push_back(problem_at(source, problem.span.begin, std::move(problem.message)));
  Bake(source, hcl.body, out).read();
  return out;
}

FileContent read_bake_json(const SourceText& source) {
  FileContent out = read_yaml(source);
  HclBlock body;
  for (const YamlNode* document : out.yaml->documents) {
    if (!document->is_mapping()) {
      out.problems.push_back({span_of(document->at), "a Bake file is an object of targets"});
      continue;
    }
    for (const std::string_view type : {"variable", "target"})
      add_blocks(body, type, (*document)[type]);
  }
  Bake(source, body, out).read();
  return out;
}

}  // namespace flense::lint
