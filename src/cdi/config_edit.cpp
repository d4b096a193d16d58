#include "cdi/config_edit.h"

#include <algorithm>

#include "text/toml.h"

namespace flense::cdi {

namespace {

using text::Json;

Result<Json> parse(Syntax syntax, const std::string& text, const std::string& file) {
  if (syntax == Syntax::kToml) return text::parse_toml(text, file);
  TRY(Json json, text::parse_json(text, file));
  if (!json.is_object()) return bad_input("{} is no JSON object", file);
  return json;
}

/// What the key holds; nullptr when it is not there.
const Json* held(const Json& document, const Assignment& assignment) {
  return text::toml_table(document, assignment.table).find(assignment.key);
}

/// As the file is indented: by its first indented line. Tabs become two blanks.
int indent_of(std::string_view text) {
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return text.empty() ? 2 : -1;
  const std::size_t first = text.find_first_not_of(' ', line + 1);
  const std::size_t width = first == std::string_view::npos ? 0 : first - line - 1;
  constexpr std::size_t kWidest = 8;
  return width == 0 || width > kWidest ? 2 : static_cast<int>(width);
}

Result<void> set_json(Json& document, const Assignment& assignment, const std::string& file) {
  Json* at = &document;
  for (const std::string& name : assignment.table) {
    if (at->find(name) == nullptr) at->set(name, Json::object());
    at = at->find_mutable(name);
    if (!at->is_object()) return bad_input("{}: \"{}\" is no object", file, name);
  }
  at->set(assignment.key, assignment.value);
  return {};
}

/// Erases the key, and the objects around it that are empty then and were not there `before`.
void erase_json(Json& document, const Assignment& assignment, const Json& before) {
  Json* at = &document;
  for (const std::string& name : assignment.table)
    if (at = at->find_mutable(name); at == nullptr) return;
  at->erase(assignment.key);
  for (std::size_t depth = assignment.table.size(); depth > 0; --depth) {
    const std::vector<std::string> table(assignment.table.begin(),
                                         assignment.table.begin() + static_cast<long>(depth));
    const Json& now = text::toml_table(document, table);
    if (!now.is_object() || !now.members().empty() || !text::toml_table(before, table).is_null())
      return;
    Json* parent = &document;
    for (std::size_t i = 0; i + 1 < depth; ++i) parent = parent->find_mutable(table[i]);
    parent->erase(table.back());
  }
}

std::string json_text(const Json& document, std::string_view like) {
  return text::dump_json(document, indent_of(like)) +
         (like.ends_with('\n') || like.empty() ? "\n" : "");
}

Result<std::string> set_all(const std::string& text, const DoneEdit& done) {
  std::string out = text;
  if (done.syntax == Syntax::kToml) {
    for (const Assignment& one : done.assignments) {
      TRY(out, text::set_toml(out, one.table, one.key, one.value, done.file));
    }
    return out;
  }
  TRY(Json document, parse(done.syntax, text, done.file));
  for (const Assignment& one : done.assignments) TRY_DO(set_json(document, one, done.file));
  return json_text(document, text);
}

}  // namespace

Result<DoneEdit> make_edit(const ConfigEdit& edit, const std::optional<std::string>& text) {
  const bool json = edit.syntax == Syntax::kJson;
  const std::string start = text.value_or(json && edit.blank.empty() ? "{}\n" : edit.blank);
  TRY(const Json document, parse(edit.syntax, start, edit.file));
  DoneEdit done{edit.file, edit.syntax, text, text.value_or(""), {}};
  for (const Assignment& one : edit.assignments)
    if (const Json* now = held(document, one); now == nullptr || *now != one.value)
      done.assignments.push_back(one);
  if (done.assignments.empty()) return done;
  TRY(done.after, set_all(start, done));
  return done;
}

Result<std::optional<std::string>> take_back(const DoneEdit& done,
                                             const std::optional<std::string>& now) {
  using Text = std::optional<std::string>;
  if (now == done.after) return done.before;
  if (!now) return Text();
  TRY(Json document, parse(done.syntax, *now, done.file));
  Json before = Json::object();
  if (done.before) {
    TRY(before, parse(done.syntax, *done.before, done.file));
  }
  std::string text = *now;
  for (const Assignment& one : done.assignments) {
    const Json* present = held(document, one);
    // Somebody else has decided otherwise since.
    if (present == nullptr || *present != one.value) continue;
    const Json* old = held(before, one);
    if (done.syntax == Syntax::kToml) {
      TRY(text, old == nullptr ? text::erase_toml(text, one.table, one.key, done.file)
                               : text::set_toml(text, one.table, one.key, *old, done.file));
    } else if (old == nullptr) {
      erase_json(document, one, before);
    } else {
      TRY_DO(set_json(document, {one.table, one.key, *old}, done.file));
    }
  }
  if (done.syntax == Syntax::kToml) return Text(std::move(text));
  if (!done.before && document.members().empty()) return Text();
  return Text(json_text(document, *now));
}

namespace {

Json texts(const std::vector<std::string>& all) {
  Json out = Json::array();
  for (const std::string& one : all) out.push(one);
  return out;
}

}  // namespace

Json to_json(const DoneEdit& done) {
  Json out = Json::object();
  out.set("file", done.file);
  out.set("syntax", done.syntax == Syntax::kJson ? "json" : "toml");
  if (done.before) out.set("before", *done.before);
  out.set("after", done.after);
  Json assignments = Json::array();
  for (const Assignment& one : done.assignments) {
    Json item = Json::object();
    item.set("table", texts(one.table));
    item.set("key", one.key);
    item.set("value", one.value);
    assignments.push(std::move(item));
  }
  out.set("assignments", std::move(assignments));
  return out;
}

Result<DoneEdit> done_edit_from(const Json& json) {
  DoneEdit out;
  const std::string_view syntax = json["syntax"].text();
  out.file = json["file"].text();
  if (!out.file.starts_with('/') || (syntax != "json" && syntax != "toml") ||
      !json["after"].is_string() || !json["assignments"].is_array())
    return bad_input("an edit in the record of installations is incomplete");
  out.syntax = syntax == "json" ? Syntax::kJson : Syntax::kToml;
  if (const Json* before = json.find("before")) out.before = std::string(before->text());
  out.after = json["after"].text();
  for (const Json& item : json["assignments"].items()) {
    Assignment one{{}, std::string(item["key"].text()), item["value"]};
    for (const Json& name : item["table"].items()) one.table.emplace_back(name.text());
    out.assignments.push_back(std::move(one));
  }
  return out;
}

}  // namespace flense::cdi
