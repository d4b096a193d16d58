// Adapter over toml++, which tells where values stand; the text itself is edited here. With its
// exceptions: without them toml++ 3.3 goes on after an error and meets its own assertions ("[=z]").
#include "text/toml.h"

#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <sstream>

namespace flense::text {

namespace {

constexpr std::size_t kMaxBytes = std::size_t{4} << 20, kMaxDepth = 100;
/// In the names and numbers of one line.
constexpr std::size_t kMaxDots = 50;

/// toml++ caps the nesting of values, but not that of "a.a.a.a", and frees it by recursion.
bool has_deep_name(std::string_view text) {
  std::size_t dots = 0;
  char quote = 0;
  for (const char c : text) {
    if (c == '\n') {
      dots = 0;
      quote = 0;
    } else if (quote != 0) {
      quote = c == quote ? '\0' : quote;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '.' && ++dots > kMaxDots) {
      return true;
    }
  }
  return false;
}

/// nullopt beyond kMaxDepth.
std::optional<Json> as_json(const toml::node& node, std::size_t depth) {
  if (depth > kMaxDepth) return std::nullopt;
  if (const toml::table* table = node.as_table()) {
    Json::Object out;
    for (const auto& [name, member] : *table) {
      std::optional<Json> value = as_json(member, depth + 1);
      if (!value) return std::nullopt;
      out.emplace_back(std::string(name.str()), std::move(*value));
    }
    return Json(std::move(out));
  }
  if (const toml::array* array = node.as_array()) {
    Json::Array out;
    for (const toml::node& item : *array) {
      std::optional<Json> value = as_json(item, depth + 1);
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

Result<toml::table> parse(std::string_view text, std::string_view what) {
  if (text.size() > kMaxBytes)
    return bad_input("{} is larger than {}", what, human_bytes(kMaxBytes));
  if (has_deep_name(text))
    return bad_input("{}: a line with names of more than {} parts", what, kMaxDots);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const toml::source_position& at = error.source().begin;
    return bad_input("{} is not valid TOML: line {}, column {}: {}", what, at.line, at.column,
                     error.description());
  }
}

const toml::table* find_table(const toml::table& root, const TomlTable& names) {
  const toml::table* table = &root;
  for (const std::string& name : names) {
    const toml::node* node = table->get(name);
    table = node == nullptr ? nullptr : node->as_table();
    if (table == nullptr) return nullptr;
  }
  return table;
}

/// Where a line begins; lines count from 1. The text's end for those behind the last.
std::size_t line_start(std::string_view text, std::size_t line) {
  std::size_t at = 0;
  while (--line > 0) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return text.size();
    at = end + 1;
  }
  return at;
}

/// Columns count characters, not bytes.
std::size_t offset_of(std::string_view text, const toml::source_position& position) {
  std::size_t at = line_start(text, position.line);
  for (std::size_t column = 1; column < position.column && at < text.size(); ++column) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
  }
  return at;
}

bool is_bare(std::string_view name) {
  constexpr std::string_view kBare =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  return !name.empty() && name.find_first_not_of(kBare) == std::string_view::npos;
}

std::string name_form(const std::string& name) {
  return is_bare(name) ? name : dump_json(Json(name));
}

std::string value_form(const Json& value) {
  if (!value.is_array()) return dump_json(value);
  std::string out = "[";
  for (const Json& item : value.items())
    out += fmt::format("{}{}", out.size() == 1 ? "" : ", ", value_form(item));
  return out + "]";
}

/// The blanks that the line begins with.
std::string indentation(std::string_view text, std::size_t start) {
  const std::size_t end = text.find_first_not_of(" \t", start);
  return std::string(text.substr(start, std::min(end, text.size()) - start));
}

std::string below_header(std::string_view text, const toml::table& table, const std::string& line) {
  const std::size_t header = line_start(text, table.source().begin.line);
  std::size_t next = line_start(text, table.source().begin.line + 1);
  std::string out(text.substr(0, next));
  if (!out.ends_with('\n')) out += '\n';
  // As its neighbour is indented, if that is a key or a comment of the same table.
  const std::string neighbour = indentation(text, next);
  const std::size_t first = next + neighbour.size();
  const bool keyed = first < text.size() && text[first] != '[' && text[first] != '\n';
  out += (keyed ? neighbour : indentation(text, header) + "  ") + line + "\n";
  return out.append(text.substr(next));
}

std::string at_end(std::string_view text, const TomlTable& table, const std::string& line) {
  std::string out(text);
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  if (!out.empty()) out += '\n';
  std::string header;
  for (const std::string& name : table)
    header += fmt::format("{}{}", header.empty() ? "" : ".", name_form(name));
  return out + fmt::format("[{}]\n  {}\n", header, line);
}

/// Sorted by names, as as_json gives them: so that equal documents compare equal.
void set_in(Json& document, const TomlTable& table, const std::string& key, const Json* value) {
  Json* at = &document;
  for (const std::string& name : table) {
    if (at->find_mutable(name) == nullptr) at->set(name, Json::object());
    at = at->find_mutable(name);
  }
  if (value == nullptr)
    at->erase(key);
  else
    at->set(key, *value);
}

Json sorted(const Json& json) {
  Json out = json;
  if (json.is_object()) {
    Json::Object members = json.members();
    std::ranges::sort(members, {}, &std::pair<std::string, Json>::first);
    for (auto& [name, member] : members) member = sorted(member);
    out = Json(std::move(members));
  }
  return out;
}

Result<Json> meant(std::string_view text, const TomlTable& table, const std::string& key,
                   const Json* value, std::string_view what) {
  TRY(Json document, parse_toml(text, what));
  set_in(document, table, key, value);
  return sorted(document);
}

bool says(const std::string& candidate, const Json& expected) {
  const Result<Json> parsed = parse_toml(candidate, "it");
  return parsed && sorted(*parsed) == expected;
}

}  // namespace

Result<Json> parse_toml(std::string_view text, std::string_view what) {
  TRY(const toml::table table, parse(text, what));
  std::optional<Json> out = as_json(table, 0);
  if (!out) return bad_input("{}: more than {} levels of nesting", what, kMaxDepth);
  return std::move(*out);
}

const Json& toml_table(const Json& document, const TomlTable& table) {
  const Json* at = &document;
  for (const std::string& name : table) at = &(*at)[name];
  return *at;
}

Result<std::string> set_toml(std::string_view text, const TomlTable& table, const std::string& key,
                             const Json& value, std::string_view what) {
  TRY(const toml::table document, parse(text, what));
  TRY(const Json expected, meant(text, table, key, &value, what));
  const std::string line = fmt::format("{} = {}", name_form(key), value_form(value));
  std::vector<std::string> candidates;
  if (const toml::table* found = find_table(document, table)) {
    if (const toml::node* old = found->get(key)) {
      const std::size_t begin = offset_of(text, old->source().begin);
      const std::size_t end = offset_of(text, old->source().end);
      if (begin <= end)
        candidates.push_back(std::string(text.substr(0, begin)) + value_form(value) +
                             std::string(text.substr(end)));
    } else if (!table.empty() && !found->is_inline()) {
      candidates.push_back(below_header(text, *found, line));
    }
  }
  if (table.empty())
    candidates.push_back(line + "\n" + std::string(text));
  else
    candidates.push_back(at_end(text, table, line));
  for (std::string& candidate : candidates)
    if (says(candidate, expected)) return std::move(candidate);
  return with_hint(Result<std::string>(bad_input("{} is written so that {} cannot be set in [{}] "
                                                 "without touching more",
                                                 what, key, fmt::join(table, "."))),
                   fmt::format("write \"{}\" there by hand", line));
}

Result<std::string> erase_toml(std::string_view text, const TomlTable& table,
                               const std::string& key, std::string_view what) {
  TRY(const toml::table document, parse(text, what));
  TRY(const Json expected, meant(text, table, key, nullptr, what));
  const toml::table* found = find_table(document, table);
  const toml::node* node = found == nullptr ? nullptr : found->get(key);
  if (node == nullptr) return std::string(text);
  // toml++ tells where the value is, not its key: the lines of the value, if the key is on the
  // first.
  const std::size_t begin = line_start(text, node->source().begin.line);
  const std::size_t end = line_start(text, node->source().end.line + 1);
  std::string out = std::string(text.substr(0, begin)) + std::string(text.substr(end));
  if (says(out, expected)) return out;
  return bad_input("{}: {} of [{}] cannot be taken out without touching more", what, key,
                   fmt::join(table, "."));
}

}  // namespace flense::text
