// Adapter over toml++.
#include "text/toml_tree.h"

#include <algorithm>
#include <optional>
#include <sstream>

namespace flense::text {

namespace {

constexpr std::size_t kMaxBytes = std::size_t{4} << 20, kMaxDepth = 100;
/// In the names and numbers of one line.
constexpr std::size_t kMaxDots = 50;

/// Goes over what is neither a string nor a comment, before toml++ does: that caps the nesting of
/// values, but not of "a.a.a.a", and frees it by recursion; and it lets characters beyond ASCII
/// pass for blanks there, which TOML does not.
class Prescan {
 public:
  explicit Prescan(std::string_view text) : text_(text) {}

  /// The line of the first trouble, and what it is.
  std::optional<std::pair<std::size_t, std::string_view>> trouble() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'')
        string(c);
      else if (c == '#')
        at_ = std::min(text_.find('\n', at_), text_.size());
      else if (static_cast<unsigned char>(c) >= 0x80U)
        return std::pair(line_, "a character that needs quotes");
      else if (c == '.' && ++dots_ > kMaxDots)
        return std::pair(line_, "a name with too many parts");
      else
        step();
    }
    return std::nullopt;
  }

 private:
  void step() {
    if (text_[at_++] != '\n') return;
    ++line_;
    dots_ = 0;
  }

  /// To behind the string's end; of one without an end, which toml++ refuses, to the line's.
  void string(char quote) {
    const std::string three(3, quote);
    const bool lines = text_.substr(at_).starts_with(three);
    at_ += lines ? 3 : 1;
    while (at_ < text_.size()) {
      if (!lines && text_[at_] == '\n') return;
      if (quote == '"' && text_[at_] == '\\') {
        ++at_;
        if (at_ < text_.size()) step();
        continue;
      }
      const bool ends = lines ? text_.substr(at_).starts_with(three) : text_[at_] == quote;
      if (!ends) {
        step();
        continue;
      }
      at_ += lines ? 3 : 1;
      // The text itself may end with up to two quotes.
      for (int i = 0; lines && i < 2 && at_ < text_.size() && text_[at_] == quote; ++i) ++at_;
      return;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0, line_ = 1, dots_ = 0;
};

}  // namespace

std::optional<Json> toml_json(const toml::node& node, std::size_t depth) {
  if (depth > kMaxDepth) return std::nullopt;
  if (const toml::table* table = node.as_table()) {
    Json::Object out;
    for (const auto& [name, member] : *table) {
      std::optional<Json> value = toml_json(member, depth + 1);
      if (!value) return std::nullopt;
      out.emplace_back(std::string(name.str()), std::move(*value));
    }
    return Json(std::move(out));
  }
  if (const toml::array* array = node.as_array()) {
    Json::Array out;
    for (const toml::node& item : *array) {
      std::optional<Json> value = toml_json(item, depth + 1);
      if (!value) return std::nullopt;
      out.push_back(std::move(*value));
    }
    return Json(std::move(out));
  }
  if (const auto* text = node.as_string()) return Json(text->get());
  if (const auto* number = node.as_integer()) return Json(number->get());
  if (const auto* real = node.as_floating_point()) return Json(real->get());
  if (const auto* flag = node.as_boolean()) return Json(flag->get());
  std::ostringstream out;
  if (const auto* date = node.as_date()) out << date->get();
  if (const auto* time = node.as_time()) out << time->get();
  if (const auto* both = node.as_date_time()) out << both->get();
  return Json(out.str());
}

Result<toml::table> parse_toml_tree(std::string_view text, std::string_view what) {
  if (text.size() > kMaxBytes)
    return bad_input("{} is larger than {}", what, human_bytes(kMaxBytes));
  // The byte order mark is not part of the first name.
  const std::string_view content = text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
  if (const auto trouble = Prescan(content).trouble())
    return bad_input("{} is not valid TOML: line {}: {}", what, trouble->first, trouble->second);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const toml::source_position& at = error.source().begin;
    return bad_input("{} is not valid TOML: line {}, column {}: {}", what, at.line, at.column,
                     error.description());
  }
}

Result<Json> parse_toml(std::string_view text, std::string_view what) {
  TRY(const toml::table table, parse_toml_tree(text, what));
  std::optional<Json> out = toml_json(table);
  if (!out) return bad_input("{}: more than {} levels of nesting", what, kMaxDepth);
  return std::move(*out);
}

const Json& toml_table(const Json& document, const TomlTable& table) {
  const Json* at = &document;
  for (const std::string& name : table) at = &(*at)[name];
  return *at;
}

}  // namespace flense::text
