#include "cdi/install/config_edit.h"

#include "text/json_edit.h"
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

/// Without the key, and without the objects around it that are empty then and were not there
/// `before`.
Result<std::string> erase_json(std::string text, const Assignment& assignment, const Json& before,
                               const std::string& file) {
  std::vector<std::string> place = assignment.table;
  TRY(text, text::erase_member(text, place, assignment.key, file));
  while (!place.empty()) {
    TRY(const Json document, text::parse_json(text, file));
    if (!text::toml_table(document, place).members().empty() ||
        !text::toml_table(before, place).is_null())
      break;
    const std::string name = place.back();
    place.pop_back();
    TRY(text, text::erase_member(text, place, name, file));
  }
  return text;
}

Result<std::string> set_one(const std::string& text, Syntax syntax, const Assignment& one,
                            const std::string& file) {
  return syntax == Syntax::kToml ? text::set_toml(text, one.table, one.key, one.value, file)
                                 : text::set_member(text, one.table, one.key, one.value, file);
}

}  // namespace

Result<DoneEdit> make_edit(const ConfigEdit& edit, const std::optional<std::string>& text) {
  const bool json = edit.syntax == Syntax::kJson;
  const std::string start = text.value_or(json && edit.blank.empty() ? "{}\n" : edit.blank);
  TRY(const Json document, parse(edit.syntax, start, edit.file));
  DoneEdit done{edit.file, edit.syntax, text, text.value_or(""), {}, {}};
  for (const Assignment& one : edit.assignments)
    if (const Json* now = held(document, one); now == nullptr || *now != one.value)
      done.assignments.push_back(one);
  if (done.assignments.empty() && !edit.table) return done;
  done.after = start;
  for (const Assignment& one : done.assignments) {
    TRY(done.after, set_one(done.after, done.syntax, one, done.file));
  }
  if (const auto& add = edit.table) {
    TRY(text::NewTable made,
        text::add_toml_table(done.after, add->table, add->members, add->note, done.file));
    done.after = std::move(made.text);
    done.block = std::move(made.block);
  }
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
  if (!done.block.empty()) {
    const std::size_t at = text.find(done.block);
    if (at == std::string::npos)
      return bad_input("somebody else has changed what flense added to {}", done.file)
          .hint("take it out by hand");
    text.erase(at, done.block.size());
  }
  for (const Assignment& one : done.assignments) {
    const Json* present = held(document, one);
    // Somebody else has changed it since.
    if (present == nullptr || *present != one.value) continue;
    const Json* old = held(before, one);
    if (old != nullptr) {
      TRY(text, set_one(text, done.syntax, {one.table, one.key, *old}, done.file));
    } else if (done.syntax == Syntax::kToml) {
      TRY(text, text::erase_toml(text, one.table, one.key, done.file));
    } else {
      TRY(text, erase_json(std::move(text), one, before, done.file));
    }
  }
  TRY(document, parse(done.syntax, text, done.file));
  if (!done.before && document.members().empty()) return Text();
  return Text(std::move(text));
}

namespace {

Json text_list(const std::vector<std::string>& all) {
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
    item.set("table", text_list(one.table));
    item.set("key", one.key);
    item.set("value", one.value);
    assignments.push(std::move(item));
  }
  out.set("assignments", std::move(assignments));
  if (!done.block.empty()) out.set("block", done.block);
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
  out.block = json["block"].text();
  for (const Json& item : json["assignments"].items()) {
    Assignment one{{}, std::string(item["key"].text()), item["value"]};
    for (const Json& name : item["table"].items()) one.table.emplace_back(name.text());
    out.assignments.push_back(std::move(one));
  }
  return out;
}

}  // namespace flense::cdi
