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

bool is_set(const Json* held, const Assignment& one) {
  if (held == nullptr) return false;
  if (!one.item) return *held == one.value;
  return !held->items().empty() && held->items().front() == one.value;
}

/// What the key is to hold where it holds nothing.
Json alone(const Assignment& one) {
  return one.item ? Json(Json::Array{one.value}) : one.value;
}

/// Notes in the assignment what was put in.
Result<std::string> put_in(const std::string& text, Syntax syntax, Assignment& one, bool there,
                           const std::string& file) {
  if (syntax == Syntax::kJson || (there && !one.item)) return set_one(text, syntax, one, file);
  TRY(text::Insertion made, there
                                ? text::insert_toml_item(text, one.table, one.key, one.value, file)
                                : text::insert_toml(text, one.table, one.key, alone(one), file));
  one.text = std::move(made.block);
  return std::move(made.text);
}

/// Whether the file, whose text holds it as it was put in, says the same but for it afterwards.
bool says_the_same(const std::string& without, const Assignment& one, const std::string& present,
                   const std::string& file) {
  const auto again = parse(Syntax::kToml, without, file);
  if (!again) return false;
  Assignment anew = one;
  const auto text = put_in(without, Syntax::kToml, anew, held(*again, one) != nullptr, file);
  const auto document = text ? parse(Syntax::kToml, *text, file) : parse(Syntax::kToml, "=", file);
  const auto now = parse(Syntax::kToml, present, file);
  return document && now && *document == *now;
}

/// The text without what an assignment put in or set; a notice where somebody has changed that.
Result<std::string> undone(std::string text, const DoneEdit& done, const Assignment& one,
                           const Json& before, std::vector<std::string>& notices) {
  TRY(const Json document, parse(done.syntax, text, done.file));
  const Json* const present = held(document, one);
  const Json* const old = held(before, one);
  if (present == nullptr) return text;
  if (const std::size_t at = one.text.empty() ? std::string::npos : text.find(one.text);
      at != std::string::npos) {
    std::string without = text;
    without.erase(at, one.text.size());
    if (says_the_same(without, one, text, done.file)) return without;
  }
  if (one.item && *present != alone(one))
    return text::erase_toml_item(text, one.table, one.key, one.value, done.file);
  if (*present != alone(one)) {
    if (old == nullptr || *present != *old)
      notices.push_back(fmt::format("{}: {} of [{}] stays as it is: somebody else has changed it",
                                    done.file, one.key, fmt::join(one.table, ".")));
    return text;
  }
  if (old != nullptr) return set_one(text, done.syntax, {one.table, one.key, *old}, done.file);
  if (done.syntax == Syntax::kToml) return text::erase_toml(text, one.table, one.key, done.file);
  return erase_json(std::move(text), one, before, done.file);
}

/// Whether the document has the table of the block, whatever is in it: the innermost of its names.
bool has_table_of(const Json& document, const std::string& block, const std::string& file) {
  const auto ours = parse(Syntax::kToml, block, file);
  if (!ours) return true;
  const Json* at = &document;
  const Json* mine = &*ours;
  while (mine->is_object() && mine->members().size() == 1) {
    at = at->find(mine->members().front().first);
    if (at == nullptr) return false;
    mine = &mine->members().front().second;
  }
  return true;
}

}  // namespace

Result<DoneEdit> make_edit(const ConfigEdit& edit, const std::optional<std::string>& text) {
  const bool json = edit.syntax == Syntax::kJson;
  const std::string start = text.value_or(json && edit.blank.empty() ? "{}\n" : edit.blank);
  TRY(const Json document, parse(edit.syntax, start, edit.file));
  DoneEdit done{edit.file, edit.syntax, text, text.value_or(""), {}, {}};
  for (const Assignment& one : edit.assignments)
    if (!is_set(held(document, one), one)) done.assignments.push_back(one);
  if (done.assignments.empty() && !edit.table) return done;
  done.after = start;
  for (Assignment& one : done.assignments) {
    TRY(done.after,
        put_in(done.after, done.syntax, one, held(document, one) != nullptr, done.file));
  }
  if (const auto& add = edit.table) {
    TRY(text::Insertion made,
        text::add_toml_table(done.after, add->table, add->members, add->note, done.file));
    done.after = std::move(made.text);
    done.block = std::move(made.block);
  }
  return done;
}

Result<TakenBack> take_back(const DoneEdit& done, const std::optional<std::string>& now) {
  if (now == done.after) return TakenBack{done.before, {}};
  // It was recorded and not written, or is taken back already.
  if (!now || now == done.before) return TakenBack{now, {}};
  TRY(Json document, parse(done.syntax, *now, done.file));
  Json before = Json::object();
  if (done.before) {
    TRY(before, parse(done.syntax, *done.before, done.file));
  }
  TakenBack out;
  std::string text = *now;
  if (const std::size_t at = text.find(done.block); at != std::string::npos)
    text.erase(at, done.block.size());
  else if (has_table_of(document, done.block, done.file))
    return bad_input("somebody else has changed what flense added to {}", done.file)
        .hint("take it out by hand");
  for (const Assignment& one : done.assignments) {
    TRY(text, undone(std::move(text), done, one, before, out.notices));
  }
  TRY(document, parse(done.syntax, text, done.file));
  if (done.before || !document.members().empty()) out.text = std::move(text);
  return out;
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
    if (one.item) item.set("item", true);
    if (!one.text.empty()) item.set("text", one.text);
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
    Assignment one{{},
                   std::string(item["key"].text()),
                   item["value"],
                   item["item"].bool_or(false),
                   std::string(item["text"].text())};
    for (const Json& name : item["table"].items()) one.table.emplace_back(name.text());
    out.assignments.push_back(std::move(one));
  }
  return out;
}

}  // namespace flense::cdi
