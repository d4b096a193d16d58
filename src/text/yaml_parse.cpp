// Builds values from the events.
#include <algorithm>
#include <map>
#include <optional>
#include <unordered_set>

#include "text/yaml.h"
#include "text/yaml_events.h"
#include "text/yaml_scalar.h"

namespace flense::text {

namespace {

constexpr std::size_t kMaxDepth = 200, kMaxDocuments = 4096;
constexpr std::size_t kMaxValues = std::size_t{1} << 20;
/// What anchors may hold and aliases may repeat, all together.
constexpr std::size_t kMaxCopiedValues = 65536, kMaxCopiedBytes = std::size_t{4} << 20;
/// Objects with more members than this look up their keys in a hash set: no quadratic time.
constexpr std::size_t kLinearKeys = 16;

struct Weight {
  std::size_t values = 0, bytes = 0, depth = 0;
};

/// No deeper than kMaxDepth, like every Json that is built here.
Weight weigh(const Json& value) {
  Weight total{1, value.text().size(), 0};
  const auto add = [&](const Json& part) {
    const Weight one = weigh(part);
    total.values += one.values;
    total.bytes += one.bytes;
    total.depth = std::max(total.depth, one.depth);
  };
  for (const Json& item : value.items()) add(item);
  for (const auto& [key, member] : value.members()) {
    total.bytes += key.size();
    add(member);
  }
  if (value.is_array() || value.is_object()) ++total.depth;
  return total;
}

/// Builds the documents. Every event returns whether to go on.
class Builder {
 public:
  bool take(const YamlEvent& event) {
    place_ = event.begin;
    switch (event.kind) {
      case YamlEventKind::kDocumentStart:
        anchors_.clear();
        root_ = Json();
        return documents_.size() < kMaxDocuments || refuse("more than 4096 documents");
      case YamlEventKind::kDocumentEnd:
        documents_.push_back(std::move(root_));
        return true;
      case YamlEventKind::kMappingStart:
        return open(true, event.tag, "map", event.anchor);
      case YamlEventKind::kSequenceStart:
        return open(false, event.tag, "seq", event.anchor);
      case YamlEventKind::kMappingEnd:
      case YamlEventKind::kSequenceEnd:
        return close();
      case YamlEventKind::kScalar:
        return scalar(event);
      case YamlEventKind::kAlias:
        return alias(event.anchor);
      default:
        return true;
    }
  }

  std::vector<Json> documents() { return std::move(documents_); }
  const std::string& problem() const { return problem_; }

 private:
  struct Level {
    bool is_object = false;
    std::string anchor;
    Json::Object object;
    Json::Array array;
    std::optional<std::string> key;  ///< of the member whose value comes next
    std::unordered_set<std::string> seen;
  };
  struct Anchor {
    Json value;
    Weight weight;
  };

  bool refuse(const std::string& why) {
    problem_ = fmt::format("line {}, column {}: {}", place_.line, place_.column, why);
    return false;
  }

  bool wants_key() const {
    return !levels_.empty() && levels_.back().is_object && !levels_.back().key;
  }

  bool scalar(const YamlEvent& event) {
    const std::string &text = event.text, &tag = event.tag;
    if (wants_key()) return key(text, event.plain && tag.empty(), event.anchor);
    if (tag.empty() && !event.plain) return finish(Json(text), event.anchor);
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return finish(Json(text), event.anchor);
    const std::optional<PlainScalar> known = plain_scalar(text);
    if (tag.empty() && !known) return finish(Json(text), event.anchor);
    if (known && known->bad)
      return refuse(fmt::format("the number {} cannot be held", text.substr(0, 40)));
    if (!tag.empty() && (!known || !has_tag(known->value, tag)))
      return refuse(fmt::format("'{}' is no {}", text.substr(0, 40), tag));
    return finish(known->value, event.anchor);
  }

  static bool has_tag(const Json& value, std::string_view tag) {
    if (tag == "tag:yaml.org,2002:null") return value.is_null();
    if (tag == "tag:yaml.org,2002:bool") return value.is_bool();
    if (tag == "tag:yaml.org,2002:int")
      return value.is_number() && value != Json(value.number_or(0));
    return tag == "tag:yaml.org,2002:float" && value.is_number();
  }

  bool key(const std::string& text, bool plain, std::string_view anchor) {
    if (plain && text == "<<") return refuse("merge keys are not part of YAML 1.2");
    if (!anchor.empty()) return refuse("a key with an anchor");
    Level& level = levels_.back();
    if (level.seen.empty() && level.object.size() > kLinearKeys)
      for (const auto& member : level.object) level.seen.insert(member.first);
    const bool duplicate =
        level.seen.empty()
            ? std::ranges::find(level.object, text, &std::pair<std::string, Json>::first) !=
                  level.object.end()
            : !level.seen.insert(text).second;
    if (duplicate) return refuse(fmt::format("the key \"{}\" occurs twice in one mapping", text));
    level.key = text;
    return true;
  }

  bool open(bool is_object, std::string_view tag, std::string_view kind, std::string_view anchor) {
    if (wants_key()) return refuse("a key that is not a text");
    if (!tag.empty() && tag != "!" && tag != fmt::format("tag:yaml.org,2002:{}", kind))
      return refuse(fmt::format("the tag {} is not in YAML's core schema", tag));
    if (levels_.size() == kMaxDepth)
      return refuse(fmt::format("more than {} levels of nesting", kMaxDepth));
    Level& level = levels_.emplace_back();
    level.is_object = is_object;
    level.anchor = anchor;
    return true;
  }

  bool close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    return finish(level.is_object ? Json(std::move(level.object)) : Json(std::move(level.array)),
                  level.anchor);
  }

  bool alias(const std::string& name) {
    if (wants_key()) return refuse("a key that is an alias");
    const auto at = anchors_.find(name);
    // A node that is still open would contain itself.
    if (at == anchors_.end()) return refuse(fmt::format("there is no anchor '{}' yet", name));
    if (levels_.size() + at->second.weight.depth > kMaxDepth)
      return refuse(fmt::format("more than {} levels of nesting", kMaxDepth));
    return charge(at->second.weight) && finish(at->second.value, {});
  }

  bool charge(const Weight& weight) {
    copied_.values += weight.values;
    copied_.bytes += weight.bytes;
    return (copied_.values <= kMaxCopiedValues && copied_.bytes <= kMaxCopiedBytes) ||
           refuse("anchors and aliases expand to too much");
  }

  /// Puts a complete value where it belongs.
  bool finish(Json value, std::string_view anchor) {
    if (++values_ > kMaxValues) return refuse(fmt::format("more than {} values", kMaxValues));
    if (!anchor.empty()) {
      const Weight weight = weigh(value);
      if (!charge(weight)) return false;
      anchors_.insert_or_assign(std::string(anchor), Anchor{value, weight});
    }
    if (levels_.empty()) {
      root_ = std::move(value);
    } else if (Level& level = levels_.back(); level.is_object) {
      level.object.emplace_back(std::move(*level.key), std::move(value));
      level.key.reset();
    } else {
      level.array.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Level> levels_;
  std::map<std::string, Anchor> anchors_;
  std::vector<Json> documents_;
  Json root_;
  YamlPlace place_;
  std::size_t values_ = 0;
  Weight copied_;
  std::string problem_;
};

}  // namespace

Result<std::vector<Json>> parse_yaml_documents(std::string_view text, std::string_view what) {
  // The byte order mark is not part of the first word.
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (text.empty()) return std::vector<Json>();
  YamlEvents events(text);
  YamlEvent event;
  Builder builder;
  while (true) {
    if (!events.next(event)) return bad_input("{} is not valid YAML: {}", what, events.problem());
    if (event.kind == YamlEventKind::kStreamEnd) return builder.documents();
    if (!builder.take(event))
      return bad_input("{} cannot be read as YAML: {}", what, builder.problem());
  }
}

Result<Json> parse_yaml(std::string_view text, std::string_view what) {
  TRY(std::vector<Json> documents, parse_yaml_documents(text, what));
  if (documents.size() > 1)
    return bad_input("{} holds {} YAML documents, one was expected", what, documents.size());
  return documents.empty() ? Json() : std::move(documents.front());
}

}  // namespace flense::text
