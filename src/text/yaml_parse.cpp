// Adapter over libyaml's events: its own document builder knows no limits and no line numbers.
#include <yaml.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_set>

#include "text/yaml.h"
#include "text/yaml_scalar.h"

namespace flense::text {

namespace {

constexpr std::size_t kMaxDepth = 200, kMaxDocuments = 4096;
constexpr std::size_t kMaxValues = std::size_t{1} << 20;
/// What anchors may hold and aliases may repeat, all together.
constexpr std::size_t kMaxCopiedValues = 65536, kMaxCopiedBytes = std::size_t{4} << 20;
/// Objects with more members than this look up their keys in a hash set: no quadratic time.
constexpr std::size_t kLinearKeys = 16;

std::string_view view(const yaml_char_t* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : fine_(yaml_parser_initialize(&parser_) == 1) {
    if (!fine_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (fine_) yaml_parser_delete(&parser_);
  }
  bool next(yaml_event_t& event) { return fine_ && yaml_parser_parse(&parser_, &event) == 1; }
  std::string problem() const {
    if (!fine_) return "out of memory";
    // Errors of the reader, such as a byte that is no UTF-8, come with an offset only.
    if (parser_.error == YAML_READER_ERROR)
      return fmt::format("byte {}: {}", parser_.problem_offset,
                         parser_.problem == nullptr ? "unreadable" : parser_.problem);
    return fmt::format("line {}, column {}: {}", parser_.problem_mark.line + 1,
                       parser_.problem_mark.column + 1,
                       parser_.problem == nullptr ? "out of memory" : parser_.problem);
  }

 private:
  yaml_parser_t parser_{};
  bool fine_ = false;
};

class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }
  yaml_event_t& operator*() { return event_; }
  yaml_event_t* operator->() { return &event_; }

 private:
  yaml_event_t event_{};
};

struct Weight {
  std::size_t values = 0, bytes = 0, depth = 0;
};

/// No deeper than kMaxDepth: so every Json is that is built here.
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
  bool take(const yaml_event_t& event) {
    mark_ = event.start_mark;
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        anchors_.clear();
        root_ = Json();
        return documents_.size() < kMaxDocuments || refuse("more than 4096 documents");
      case YAML_DOCUMENT_END_EVENT:
        documents_.push_back(std::move(root_));
        return true;
      case YAML_MAPPING_START_EVENT:
        return open(true, view(event.data.mapping_start.tag), "map",
                    view(event.data.mapping_start.anchor));
      case YAML_SEQUENCE_START_EVENT:
        return open(false, view(event.data.sequence_start.tag), "seq",
                    view(event.data.sequence_start.anchor));
      case YAML_MAPPING_END_EVENT:
      case YAML_SEQUENCE_END_EVENT:
        return close();
      case YAML_SCALAR_EVENT:
        return scalar(event);
      case YAML_ALIAS_EVENT:
        return alias(std::string(view(event.data.alias.anchor)));
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
    problem_ = fmt::format("line {}, column {}: {}", mark_.line + 1, mark_.column + 1, why);
    return false;
  }

  bool wants_key() const {
    return !levels_.empty() && levels_.back().is_object && !levels_.back().key;
  }

  bool scalar(const yaml_event_t& event) {
    const auto& data = event.data.scalar;
    const std::string text(reinterpret_cast<const char*>(data.value), data.length);
    const bool plain = data.style == YAML_PLAIN_SCALAR_STYLE;
    const std::string_view tag = view(data.tag);
    if (wants_key()) return key(text, plain && tag.empty(), view(data.anchor));
    if (tag.empty() && !plain) return finish(Json(text), view(data.anchor));
    if (tag == "!" || tag == YAML_STR_TAG) return finish(Json(text), view(data.anchor));
    const std::optional<PlainScalar> known = plain_scalar(text);
    if (tag.empty() && !known) return finish(Json(text), view(data.anchor));
    if (known && known->bad)
      return refuse(fmt::format("the number {} cannot be held", text.substr(0, 40)));
    if (!tag.empty() && (!known || !has_tag(known->value, tag)))
      return refuse(fmt::format("'{}' is no {}", text.substr(0, 40), tag));
    return finish(known->value, view(data.anchor));
  }

  static bool has_tag(const Json& value, std::string_view tag) {
    if (tag == YAML_NULL_TAG) return value.is_null();
    if (tag == YAML_BOOL_TAG) return value.is_bool();
    if (tag == YAML_INT_TAG) return value.is_number() && value != Json(value.number_or(0));
    return tag == YAML_FLOAT_TAG && value.is_number();
  }

  bool key(const std::string& text, bool plain, std::string_view anchor) {
    if (plain && text == "<<") return refuse("merge keys are not of YAML 1.2");
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
    if (wants_key()) return refuse("a key that is no text");
    if (!tag.empty() && tag != "!" && tag != fmt::format("tag:yaml.org,2002:{}", kind))
      return refuse(fmt::format("the tag {} is not of YAML's core schema", tag));
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
    // One that is still open would hold itself.
    if (at == anchors_.end()) return refuse(fmt::format("there is no anchor '{}' yet", name));
    if (levels_.size() + at->second.weight.depth > kMaxDepth)
      return refuse(fmt::format("more than {} levels of nesting", kMaxDepth));
    return charge(at->second.weight) && finish(at->second.value, {});
  }

  bool charge(const Weight& weight) {
    copied_.values += weight.values;
    copied_.bytes += weight.bytes;
    return (copied_.values <= kMaxCopiedValues && copied_.bytes <= kMaxCopiedBytes) ||
           refuse("anchors and aliases stand for too much");
  }

  /// A value is complete: where it belongs.
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
  yaml_mark_t mark_{};
  std::size_t values_ = 0;
  Weight copied_;
  std::string problem_;
};

}  // namespace

Result<std::vector<Json>> parse_yaml_documents(std::string_view text, std::string_view what) {
  // The mark is no part of the first word.
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (text.empty()) return std::vector<Json>();
  Parser parser(text);
  Builder builder;
  while (true) {
    Event event;
    if (!parser.next(*event)) return bad_input("{} is not valid YAML: {}", what, parser.problem());
    if (event->type == YAML_STREAM_END_EVENT) return builder.documents();
    if (!builder.take(*event))
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
