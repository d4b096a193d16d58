// Adapter over nlohmann::json's SAX parser, which does not recurse: deep nesting costs only entries
// of our own stack, and those are capped.
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "text/json.h"

namespace flense::text {

namespace {

constexpr std::size_t kMaxDepth = 200;
/// Objects with more members than this look up their keys in a hash set: no quadratic time.
constexpr std::size_t kLinearKeys = 16;

struct Position {
  std::size_t line = 1, column = 1;
};

Position position_at(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t newline = before.rfind('\n');
  return {static_cast<std::size_t>(std::ranges::count(before, '\n')) + 1,
          newline == std::string_view::npos ? offset + 1 : offset - newline};
}

/// Iterates over the text and tells an outsider how far the lexer has come.
class TrackedIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedIterator(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    ++at_;
    *reached_ = at_;
    return *this;
  }
  TrackedIterator operator++(int) {
    TrackedIterator old = *this;
    ++*this;
    return old;
  }
  bool operator==(const TrackedIterator& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

/// Builds the tree. Every event returns whether to go on.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view text, const char* const& reached) : text_(text), reached_(reached) {}

  bool null() override { return add(Json()); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(std::int64_t value) override { return add(Json(value)); }
  bool number_unsigned(std::uint64_t value) override { return add(Json(value)); }
  bool number_float(double value, const std::string& /*literal*/) override {
    return add(Json(value));
  }
  bool string(std::string& value) override { return add(Json(std::move(value))); }
  bool binary(binary_t& /*value*/) override { return refuse("binary values are not JSON"); }
  bool start_object(std::size_t /*count*/) override { return open(true); }
  bool start_array(std::size_t /*count*/) override { return open(false); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& value) override {
    Level& level = levels_.back();
    if (level.seen.empty() && level.object.size() > kLinearKeys)
      for (const auto& member : level.object) level.seen.insert(member.first);
    const bool duplicate =
        level.seen.empty()
            ? std::ranges::find(level.object, value, &std::pair<std::string, Json>::first) !=
                  level.object.end()
            : !level.seen.insert(value).second;
    if (duplicate) return refuse(fmt::format("the key \"{}\" occurs twice in one object", value));
    level.object.emplace_back(std::move(value), Json());
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    // The message reads "[json.exception.parse_error.101] parse error at line 1, column 2: why".
    std::string_view why = error.what();
    if (const auto bracket = why.find("] "); bracket != std::string_view::npos)
      why.remove_prefix(bracket + 2);
    if (why.starts_with("parse error at"))
      if (const auto colon = why.find(": "); colon != std::string_view::npos)
        why.remove_prefix(colon + 2);
    // `position` counts consumed characters, the offending one included.
    fail_at(position == 0 ? 0 : position - 1, std::string(why));
    return false;
  }

  const std::optional<std::string>& problem() const { return problem_; }
  Json take() { return std::move(root_); }

 private:
  struct Level {
    bool is_object = false;
    Json::Object object;
    Json::Array array;
    std::unordered_set<std::string> seen;
  };

  bool add(Json value) {
    if (levels_.empty()) {
      root_ = std::move(value);
    } else if (levels_.back().is_object) {
      levels_.back().object.back().second = std::move(value);
    } else {
      levels_.back().array.push_back(std::move(value));
    }
    return true;
  }

  bool open(bool is_object) {
    if (levels_.size() == kMaxDepth)
      return refuse(fmt::format("more than {} levels of nesting", kMaxDepth));
    levels_.emplace_back().is_object = is_object;
    return true;
  }

  bool close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    return add(level.is_object ? Json(std::move(level.object)) : Json(std::move(level.array)));
  }

  bool refuse(std::string why) {
    fail_at(static_cast<std::size_t>(reached_ - text_.data()), std::move(why));
    return false;
  }

  void fail_at(std::size_t offset, std::string why) {
    const Position position = position_at(text_, std::min(offset, text_.size()));
    problem_ = fmt::format("line {}, column {}: {}", position.line, position.column, why);
  }

  std::string_view text_;
  const char* const& reached_;
  std::vector<Level> levels_;
  Json root_;
  std::optional<std::string> problem_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what) {
  // An empty view may have a null pointer, on which arithmetic is undefined.
  if (text.empty()) return bad_input("{} is empty, JSON was expected", what);
  const char* const begin = text.data();
  const char* reached = begin;
  Builder builder(text, reached);
  const bool fine = nlohmann::json::sax_parse(
      TrackedIterator(begin, &reached), TrackedIterator(begin + text.size(), &reached), &builder);
  if (!fine || builder.problem())
    return bad_input("{} is not valid JSON: {}", what, builder.problem().value_or("unknown"));
  return builder.take();
}

}  // namespace flense::text
