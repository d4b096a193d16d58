#include "text/yaml_nodes.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/ascii.h"
#include "base/format.h"
#include "text/yaml_events.h"
#include "text/yaml_scalar.h"

namespace flense::text {

namespace {

constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxDepth = 200, kMaxDocuments = 4096;
constexpr std::size_t kMaxValues = std::size_t{1} << 20;
/// What aliases and merge keys may repeat, all together.
constexpr std::size_t kMaxCopiedValues = 65536, kMaxCopiedBytes = std::size_t{4} << 20;
/// Mappings with more members than this look up their keys in a hash set: no quadratic time.
constexpr std::size_t kLinearKeys = 16;
constexpr std::size_t kMaxDuplicates = 100;

/// From characters, in which the events count, to bytes. Events come almost in order, so a sparse
/// index is enough.
class ByteIndex {
 public:
  ByteIndex(std::string_view text, std::size_t offset) : text_(text), offset_(offset) {
    std::size_t character = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (is_continuation(text[at])) continue;
      if (character % kStep == 0) starts_.push_back(at);
      ++character;
    }
    ascii_ = character == text.size();
  }

  /// In the whole file, the byte order mark included.
  std::size_t byte(std::size_t character) const {
    if (ascii_) return offset_ + std::min(character, text_.size());
    const std::size_t slot = character / kStep;
    if (slot >= starts_.size()) return offset_ + text_.size();
    std::size_t at = starts_[slot];
    for (std::size_t left = character % kStep; left > 0 && at < text_.size(); --left) {
      ++at;
      while (at < text_.size() && is_continuation(text_[at])) ++at;
    }
    return offset_ + at;
  }

 private:
  static constexpr std::size_t kStep = 64;
  static bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

  std::string_view text_;
  std::size_t offset_;
  std::vector<std::size_t> starts_;
  bool ascii_ = true;
};

bool is_null_text(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

class Builder {
 public:
  Builder(YamlTree& tree, std::string_view text, const ByteIndex& index, bool keep_duplicates)
      : tree_(tree), text_(text), index_(index), keep_duplicates_(keep_duplicates) {}

  /// Whether to continue.
  bool take(const YamlEvent& event) {
    place_ = event.begin.index;
    switch (event.kind) {
      case YamlEventKind::kDocumentStart:
        anchors_.clear();
        root_ = nullptr;
        return tree_.documents.size() < kMaxDocuments ||
               refuse(fmt::format("more than {} documents", kMaxDocuments));
      case YamlEventKind::kDocumentEnd:
        if (root_ != nullptr) tree_.documents.push_back(root_);
        return true;
      case YamlEventKind::kMappingStart:
        return open(YamlNode::Kind::kMapping, event);
      case YamlEventKind::kSequenceStart:
        return open(YamlNode::Kind::kSequence, event);
      case YamlEventKind::kMappingEnd:
      case YamlEventKind::kSequenceEnd:
        return close(event);
      case YamlEventKind::kScalar:
        return scalar(event);
      case YamlEventKind::kAlias:
        return alias(event);
      default:
        return true;
    }
  }

 private:
  /// What a node stands for when every alias in it is written out.
  struct Weight {
    std::size_t values = 1, bytes = 0, depth = 0;
  };
  struct Value {
    const YamlNode* node = nullptr;
    Weight weight;
  };
  struct Level {
    YamlNode* node = nullptr;
    Weight weight;
    std::string anchor;
    std::optional<YamlMember> key;  ///< of the member whose value comes next
    bool merge = false;             ///< that key is a merge key
    std::unordered_set<std::string> seen;
    std::vector<Value> merges;
  };

  bool refuse(std::string why) {
    tree_.problem = YamlProblem{index_.byte(place_), YamlFault::kRefused, std::move(why)};
    return false;
  }

  YamlRange range(const YamlEvent& event) const {
    YamlRange out{index_.byte(event.begin.index), index_.byte(event.end.index)};
    // The line breaks after a block belong to nobody.
    while (event.block && out.end > out.begin &&
           (text_[out.end - 1] == '\n' || text_[out.end - 1] == '\r' || text_[out.end - 1] == ' '))
      --out.end;
    return out;
  }

  bool wants_key() const {
    return !levels_.empty() && levels_.back().node->is_mapping() && !levels_.back().key;
  }

  YamlNode* make(YamlNode::Kind kind, const YamlEvent& event) {
    YamlNode& node = tree_.nodes.emplace_back();
    node.kind = kind;
    node.tag = event.tag;
    node.at = range(event);
    return &node;
  }

  bool scalar(const YamlEvent& event) {
    if (tree_.nodes.size() >= kMaxValues)
      return refuse(fmt::format("more than {} values", kMaxValues));
    const bool bare = event.plain && event.tag.empty();
    const bool is_key = wants_key();
    if (is_key && event.anchor.empty()) return key(event.text, range(event), bare);
    YamlNode* node = make(
        bare && is_null_text(event.text) ? YamlNode::Kind::kNull : YamlNode::Kind::kScalar, event);
    node->plain = event.plain;
    node->block = event.block;
    node->text = event.text;
    const Value value{node, {1, node->text.size(), 0}};
    if (!is_key) return finish(value, event.anchor);
    anchors_.insert_or_assign(event.anchor, value);
    return key(event.text, node->at, bare);
  }

  bool key(const std::string& text, YamlRange at, bool bare) {
    Level& level = levels_.back();
    auto& members = level.node->members;
    if (level.seen.empty() && members.size() > kLinearKeys)
      for (const YamlMember& member : members) level.seen.insert(member.key);
    const bool merge = bare && text == "<<";
    const bool duplicate = merge ? !level.merges.empty()
                           : level.seen.empty()
                               ? std::ranges::find(members, text, &YamlMember::key) != members.end()
                               : !level.seen.insert(text).second;
    if (duplicate) {
      std::string why =
          fmt::format("the key \"{}\" occurs twice in one mapping", text.substr(0, 80));
      if (!keep_duplicates_ || merge || tree_.duplicates.size() == kMaxDuplicates)
        return refuse(std::move(why));
      tree_.duplicates.push_back({index_.byte(place_), YamlFault::kRefused, std::move(why)});
      std::erase_if(members, [&](const YamlMember& member) { return member.key == text; });
    }
    level.key = YamlMember{text, at, nullptr, false};
    level.merge = merge;
    return true;
  }

  bool open(YamlNode::Kind kind, const YamlEvent& event) {
    if (wants_key()) return refuse("a key that is a list or a mapping");
    if (levels_.size() == kMaxDepth)
      return refuse(fmt::format("more than {} levels of nesting", kMaxDepth));
    if (tree_.nodes.size() >= kMaxValues)
      return refuse(fmt::format("more than {} values", kMaxValues));
    Level level;
    level.node = make(kind, event);
    level.anchor = event.anchor;
    levels_.push_back(std::move(level));
    return true;
  }

  bool close(const YamlEvent& event) {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    YamlNode& node = *level.node;
    if (!merge(level)) return false;
    // A block collection ends with its last part: the event's position is that of the next token.
    const std::size_t end = index_.byte(event.end.index);
    const bool flow = end > node.at.begin && event.end.index > event.begin.index;
    if (flow)
      node.at.end = end;
    else if ((node.is_mapping() || node.is_sequence()) && last_written_ > node.at.begin)
      node.at.end = last_written_;
    ++level.weight.depth;
    return finish({&node, level.weight}, level.anchor);
  }

  bool charge(std::size_t values, std::size_t bytes) {
    copied_ += values;
    copied_bytes_ += bytes;
    return (copied_ <= kMaxCopiedValues && copied_bytes_ <= kMaxCopiedBytes) ||
           refuse("anchors and aliases expand to too much");
  }

  bool alias(const YamlEvent& event) {
    const auto at = anchors_.find(event.anchor);
    // A node that is still open would contain itself.
    if (at == anchors_.end())
      return refuse(fmt::format("there is no anchor '{}' yet", event.anchor.substr(0, 80)));
    const Value value = at->second;
    if (wants_key()) {
      if (!value.node->is_scalar()) return refuse("a key that is a list or a mapping");
      return charge(1, value.weight.bytes) && key(value.node->text, range(event), false);
    }
    if (levels_.size() + value.weight.depth > kMaxDepth)
      return refuse(fmt::format("more than {} levels of nesting", kMaxDepth));
    last_written_ = std::max(last_written_, range(event).end);
    return charge(value.weight.values, value.weight.bytes) && finish(value, {}, false);
  }

  /// Puts a complete value where it belongs.
  bool finish(const Value& value, const std::string& anchor, bool written = true) {
    if (written && (value.node->at.end > value.node->at.begin))
      last_written_ = std::max(last_written_, value.node->at.end);
    if (!anchor.empty()) anchors_.insert_or_assign(anchor, value);
    if (levels_.empty()) {
      root_ = value.node;
      return true;
    }
    Level& level = levels_.back();
    level.weight.values += value.weight.values;
    level.weight.bytes += value.weight.bytes;
    level.weight.depth = std::max(level.weight.depth, value.weight.depth);
    if (!level.node->is_mapping()) {
      level.node->items.push_back(value.node);
    } else if (level.merge) {
      level.merge = false;
      level.key.reset();
      level.merges.push_back(value);
    } else {
      last_written_ = std::max(last_written_, level.key->at.end);
      level.weight.bytes += level.key->key.size();
      level.key->value = value.node;
      level.node->members.push_back(std::move(*level.key));
      level.key.reset();
    }
    return true;
  }

  /// Members of merged mappings, the first of a list winning, after the mapping's own.
  bool merge(Level& level) {
    for (const Value& value : level.merges) {
      std::vector<const YamlNode*> sources;
      if (value.node->is_mapping()) sources.push_back(value.node);
      if (value.node->is_sequence()) sources = value.node->items;
      if (sources.empty() && !value.node->is_null() && !value.node->is_sequence())
        return refuse("a merge key takes a mapping or a list of mappings");
      std::unordered_set<std::string_view> known;
      for (const YamlMember& member : level.node->members) known.insert(member.key);
      std::vector<YamlMember> added;
      for (const YamlNode* source : sources) {
        if (!source->is_mapping())
          return refuse("a merge key takes a mapping or a list of mappings");
        for (const YamlMember& member : source->members) {
          if (!charge(1, member.key.size())) return false;
          if (!known.insert(member.key).second) continue;
          added.push_back(member);
          added.back().merged = true;
        }
      }
      for (YamlMember& member : added) level.node->members.push_back(std::move(member));
    }
    return true;
  }

  YamlTree& tree_;
  std::string_view text_;
  const ByteIndex& index_;
  bool keep_duplicates_;
  std::vector<Level> levels_;
  std::unordered_map<std::string, Value> anchors_;
  const YamlNode* root_ = nullptr;
  std::size_t place_ = 0, copied_ = 0, copied_bytes_ = 0;
  std::size_t last_written_ = 0;  ///< end of the last key or value
};

std::optional<PlainScalar> scalar_of(const YamlNode& node) {
  if (!node.is_scalar() || !node.plain || !node.tag.empty()) return std::nullopt;
  return plain_scalar(node.text);
}

}  // namespace

bool YamlNode::is_text() const {
  if (!is_scalar() || !plain || (!tag.empty() && tag != "tag:yaml.org,2002:str"))
    return is_scalar();
  return !tag.empty() || !plain_scalar(text);
}

const YamlMember* YamlNode::member(std::string_view key) const {
  for (const YamlMember& one : members)
    if (one.key == key) return &one;
  return nullptr;
}

const YamlNode* YamlNode::find(std::string_view key) const {
  const YamlMember* found = member(key);
  return found == nullptr ? nullptr : found->value;
}

const YamlNode& YamlNode::operator[](std::string_view key) const {
  static const YamlNode kNone;
  const YamlNode* found = find(key);
  return found == nullptr ? kNone : *found;
}

std::string_view YamlNode::text_or(std::string_view fallback) const {
  return is_scalar() ? std::string_view(text) : fallback;
}

std::optional<bool> YamlNode::boolean() const {
  if (!is_scalar() || !plain) return std::nullopt;
  const std::string word = to_lower(std::string_view(text).substr(0, 6));
  if (is_one_of(word, {"true", "yes", "on"})) return true;
  if (is_one_of(word, {"false", "no", "off"})) return false;
  return std::nullopt;
}

std::optional<std::int64_t> YamlNode::integer() const {
  const std::optional<PlainScalar> known = scalar_of(*this);
  if (!known || known->bad || !known->value.is_number()) return std::nullopt;
  const std::int64_t value = known->value.integer_or(0);
  if (known->value != Json(value)) return std::nullopt;
  return value;
}

std::optional<double> YamlNode::number() const {
  const std::optional<PlainScalar> known = scalar_of(*this);
  if (!known || known->bad || !known->value.is_number()) return std::nullopt;
  return known->value.number_or(0);
}

YamlTree parse_yaml_nodes(std::string_view text, bool keep_duplicates) {
  YamlTree tree;
  if (text.size() > kMaxBytes) {
    tree.problem = YamlProblem{0, YamlFault::kRefused, "the file is larger than 16 MiB"};
    return tree;
  }
  // The byte order mark is not part of the first word.
  const std::size_t mark = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  const std::string_view body = text.substr(mark);
  if (body.empty()) return tree;
  const ByteIndex index(body, mark);
  Builder builder(tree, text, index, keep_duplicates);
  YamlEvents events(body);
  YamlEvent event;
  while (true) {
    if (!events.next(event)) {
      bool byte = false;
      const YamlPlace place = events.problem_place(byte);
      tree.problem =
          YamlProblem{byte ? std::min(mark + place.index, text.size()) : index.byte(place.index),
                      byte ? YamlFault::kNotText : YamlFault::kSyntax, events.problem_text()};
      return tree;
    }
    if (event.kind == YamlEventKind::kStreamEnd || !builder.take(event)) return tree;
  }
}

}  // namespace flense::text
