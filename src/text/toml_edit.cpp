// Edits of TOML: of the text itself, where values are.
#include "text/toml_places.h"

#include <algorithm>

namespace flense::text {

namespace {

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

/// What is to be put in, and where.
struct Place {
  std::size_t at = 0;
  std::string block = {};
};

Insertion inserted(std::string_view text, Place place) {
  return {std::string(text.substr(0, place.at)) + place.block + std::string(text.substr(place.at)),
          std::move(place.block)};
}

/// Of the line in which this is.
std::size_t start_of_line(std::string_view text, std::size_t at) {
  const std::size_t before = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
  return before == std::string_view::npos ? 0 : before + 1;
}
std::size_t after_line(std::string_view text, std::size_t at) {
  const std::size_t end = text.find('\n', at);
  return end == std::string_view::npos ? text.size() : end + 1;
}

Place below_header(std::string_view text, std::size_t header, const std::string& line) {
  const std::size_t next = after_line(text, header);
  // Indented like its neighbour, if that is a key or a comment of the same table.
  const std::string neighbour = indentation(text, next);
  const std::size_t first = next + neighbour.size();
  const bool keyed = first < text.size() && text[first] != '[' && text[first] != '\n';
  return {
      next,
      fmt::format("{}{}{}\n", text.substr(0, next).ends_with('\n') ? "" : "\n",
                  keyed ? neighbour : indentation(text, start_of_line(text, header)) + "  ", line)};
}

std::string header_form(const TomlTable& table) {
  std::string names;
  for (const std::string& name : table)
    names += fmt::format("{}{}", names.empty() ? "" : ".", name_form(name));
  return fmt::format("[{}]\n", names);
}

/// What has to come before a new table at the end.
std::string ending(std::string_view text) {
  if (text.empty()) return "";
  return text.ends_with('\n') ? "\n" : "\n\n";
}

Place at_end(std::string_view text, const TomlTable& table, const std::string& line) {
  return {text.size(), fmt::format("{}{}  {}\n", ending(text), header_form(table), line)};
}

/// Where the first table below `parent` begins, with the comments right above it; nullopt: there is
/// none. Bad input where what is below it has no header before which something could come: some
/// programs take tables in the order of the lines on which they are first named.
Result<std::optional<std::size_t>> first_below(std::string_view text,
                                               const std::optional<TomlPlaces>& parent,
                                               std::string_view what) {
  std::optional<std::size_t> first;
  if (parent)
    for (const TomlMember& one : parent->members)
      if (one.is_table) first = std::min(first.value_or(text.size()), one.named);
  if (!first) return std::nullopt;
  std::size_t start = start_of_line(text, *first);
  if (!text.substr(start + indentation(text, start).size()).starts_with('['))
    return bad_input("{}: \"{}\" names a table without a header, and nothing can come before it",
                     what, text.substr(start, text.find('\n', start) - start))
        .hint("write it with a header: [host.\"https://…\"]");
  while (start > 0) {
    const std::size_t above = start_of_line(text, start - 1);
    if (!text.substr(above + indentation(text, above).size()).starts_with('#')) break;
    start = above;
  }
  return std::optional(start);
}

/// Sorted by names, as parse_toml gives them: so that equal documents compare equal.
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

Result<std::vector<std::string>> toml_names(std::string_view text, const TomlTable& table,
                                            std::string_view what) {
  TRY(const auto places, toml_places(text, table, what));
  std::vector<std::pair<std::size_t, std::string>> found;
  if (places)
    for (const TomlMember& one : places->members) found.emplace_back(one.named, one.name);
  std::ranges::sort(found);
  std::vector<std::string> out;
  for (auto& [at, name] : found) out.push_back(std::move(name));
  return out;
}

Result<std::string> set_toml(std::string_view text, const TomlTable& table, const std::string& key,
                             const Json& value, std::string_view what) {
  TRY(const auto places, toml_places(text, table, what));
  const TomlMember* old = places ? places->find(key) : nullptr;
  if (old != nullptr) {
    TRY(const Json expected, meant(text, table, key, &value, what));
    if (old->begin <= old->end)
      if (std::string out = std::string(text.substr(0, old->begin)) + value_form(value) +
                            std::string(text.substr(old->end));
          says(out, expected))
        return out;
  }
  TRY(Insertion made, insert_toml(text, table, key, value, what));
  return std::move(made.text);
}

Result<Insertion> insert_toml(std::string_view text, const TomlTable& table, const std::string& key,
                              const Json& value, std::string_view what) {
  TRY(const auto places, toml_places(text, table, what));
  TRY(const Json expected, meant(text, table, key, &value, what));
  const std::string line = fmt::format("{} = {}", name_form(key), value_form(value));
  std::vector<Place> candidates;
  if (places && !table.empty() && !places->is_inline)
    candidates.push_back(below_header(text, places->begin, line));
  candidates.push_back(table.empty() ? Place{0, line + "\n"} : at_end(text, table, line));
  for (Place& candidate : candidates)
    if (Insertion out = inserted(text, std::move(candidate)); says(out.text, expected)) return out;
  return bad_input("{} is written such that {} cannot be set in [{}] without changing more", what,
                   key, fmt::join(table, "."))
      .hint(fmt::format("write \"{}\" there by hand", line));
}

Result<Insertion> insert_toml_item(std::string_view text, const TomlTable& table,
                                   const std::string& key, const Json& item,
                                   std::string_view what) {
  TRY(const auto places, toml_places(text, table, what));
  TRY(const Json document, parse_toml(text, what));
  const Json& old = toml_table(document, table)[key];
  if (!places || !old.is_array())
    return bad_input("{}: {} of [{}] is no list", what, key, fmt::join(table, "."));
  Json::Array items = {item};
  items.insert(items.end(), old.items().begin(), old.items().end());
  const Json value(std::move(items));
  TRY(const Json expected, meant(text, table, key, &value, what));
  const std::size_t open = places->find(key)->begin + 1;
  if (Insertion out = inserted(text, {open, value_form(item) + (old.items().empty() ? "" : ", ")});
      open <= text.size() && says(out.text, expected))
    return out;
  return bad_input("{} is written such that nothing can be put into {} of [{}]", what, key,
                   fmt::join(table, "."))
      .hint(fmt::format("put {} there by hand, before the others", value_form(item)));
}

Result<std::string> erase_toml_item(std::string_view text, const TomlTable& table,
                                    const std::string& key, const Json& item,
                                    std::string_view what) {
  TRY(const auto places, toml_places(text, table, what));
  TRY(const Json document, parse_toml(text, what));
  Json::Array left = toml_table(document, table)[key].items();
  const auto ours = std::ranges::find(left, item);
  if (!places || ours == left.end()) return std::string(text);
  const auto [begin, end] = places->find(key)->items[static_cast<std::size_t>(ours - left.begin())];
  left.erase(ours);
  const Json others(std::move(left));
  TRY(const Json expected, meant(text, table, key, &others, what));
  constexpr const char* kBlanks = " \t\r\n";
  const std::size_t after = std::min(text.find_first_not_of(kBlanks, end), text.size());
  const std::size_t before = text.substr(0, begin).find_last_not_of(kBlanks);
  std::vector<std::pair<std::size_t, std::size_t>> candidates;
  if (text.substr(after).starts_with(',')) {
    if (text.substr(after).starts_with(", ")) candidates.emplace_back(begin, after + 2);
    candidates.emplace_back(begin, after + 1);
  }
  if (before != std::string_view::npos && text[before] == ',') candidates.emplace_back(before, end);
  candidates.emplace_back(begin, end);
  for (const auto& [from, to] : candidates)
    if (std::string out = std::string(text.substr(0, from)) + std::string(text.substr(to));
        says(out, expected))
      return out;
  return bad_input("{}: {} cannot be taken out of {} of [{}] without changing more", what,
                   value_form(item), key, fmt::join(table, "."));
}

Result<Insertion> add_toml_table(std::string_view text, const TomlTable& table,
                                 const Json::Object& members, std::string_view note,
                                 std::string_view what) {
  TRY(const auto there, toml_places(text, table, what));
  if (there) return bad_input("{} has [{}] already", what, fmt::join(table, "."));
  TRY(Json expected, parse_toml(text, what));
  std::string block = fmt::format("# {}\n{}", note, header_form(table));
  for (const auto& [key, value] : members) {
    block += fmt::format("  {} = {}\n", name_form(key), value_form(value));
    set_in(expected, table, key, &value);
  }
  const TomlTable beside(table.begin(), table.end() - 1);
  std::vector<Place> candidates;
  TRY(const auto parent, toml_places(text, beside, what));
  TRY(const auto first, first_below(text, parent, what));
  if (first) candidates.push_back({*first, block + "\n"});
  candidates.push_back({text.size(), ending(text) + block});
  for (Place& candidate : candidates)
    if (Insertion out = inserted(text, std::move(candidate)); says(out.text, sorted(expected)))
      return out;
  return bad_input("{} is written such that [{}] cannot be added without changing more", what,
                   fmt::join(table, "."))
      .hint("add it by hand:\n" + block);
}

Result<std::string> erase_toml(std::string_view text, const TomlTable& table,
                               const std::string& key, std::string_view what) {
  TRY(const auto places, toml_places(text, table, what));
  TRY(const Json expected, meant(text, table, key, nullptr, what));
  const TomlMember* found = places ? places->find(key) : nullptr;
  if (found == nullptr) return std::string(text);
  // The lines of the value, provided that the key is on the first.
  const std::size_t begin = start_of_line(text, found->begin);
  const std::size_t end = after_line(text, std::max(found->begin, found->end));
  std::string out = std::string(text.substr(0, begin)) + std::string(text.substr(end));
  if (says(out, expected)) return out;
  return bad_input("{}: {} of [{}] cannot be removed without changing more", what, key,
                   fmt::join(table, "."));
}

}  // namespace flense::text
