#include "knowledge/table_set.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "knowledge/table_check.h"
#include "knowledge/tables.h"

namespace flense::knowledge {

namespace {

using text::Json;

/// Members of rows of other files, which no file can have: where the row is from, and the date of
/// the built-in row that it stands for.
constexpr const char* kFrom = "@from";
constexpr const char* kBuiltIn = "@built_in";

/// "2026-11" is not older than "2026-11-23".
bool is_older(std::string_view date, std::string_view than) {
  const std::size_t known = std::min(date.size(), than.size());
  return known > 0 && date.substr(0, known) < than.substr(0, known);
}

/// Lays the rows of one section of a file over those below.
void lay_rows(const std::string& name, const std::string& table_date, const Json& own,
              Json& section, LaidTable& told) {
  std::map<std::string, const Json*> below;
  for (const Json& row : section["rows"].items()) below.emplace(row_key(section, row), &row);
  Json rows = Json::array();
  std::size_t number = 0;
  for (Json row : own["rows"].items()) {
    ++number;
    const std::string date(row["date"].text(told.date));
    if (const auto at = below.find(row_key(section, row)); at != below.end()) {
      const Json& replaced = *at->second;
      const std::string built_in(replaced.find(kFrom) != nullptr
                                     ? replaced[kBuiltIn].text()
                                     : replaced["date"].text(table_date));
      if (row != replaced && is_older(date, built_in))
        told.older.push_back({name, number, date, built_in});
      row.set(kBuiltIn, built_in);
      ++told.replacing;
      below.erase(at);
    }
    for (const char* about : {"confidence", "source"})
      if (const Json* all = own.find(about); all != nullptr && row.find(about) == nullptr)
        row.set(about, *all);
    row.set(kFrom, (date.empty() ? "" : date + ", ") + told.path.string());
    rows.push(std::move(row));
  }
  told.rows += number;
  for (const Json& row : section["rows"].items())
    if (const auto at = below.find(row_key(section, row)); at != below.end() && at->second == &row)
      rows.push(row);
  section.set("rows", std::move(rows));
}

LaidTable lay_over(Json& table, const std::string& built_in_date, const Json& own,
                   const OwnTable& file) {
  LaidTable out{file.name, file.path, std::string(own["date"].text()), 0, 0, {}};
  for (const auto& [name, value] : own.members()) {
    Json* section = table.find_mutable(name);
    if (section == nullptr || name == "date" || name == "about") continue;
    if (!section->is_object()) {
      *section = value;
      continue;
    }
    for (const auto& [member, fact] : value.members())
      if (member != "rows" && member != "key" && member != "source" && member != "confidence")
        section->set(member, fact);
    lay_rows(name, built_in_date, value, *section, out);
  }
  return out;
}

}  // namespace

Result<TableSet> TableSet::load(const OwnTables& own, std::span<const std::string_view> names) {
  const std::vector<std::string_view> all = table_names();
  TableSet out;
  const auto built_in = [](std::string_view name) {
    return text::parse_json(embedded_table(name), fmt::format("data/{}.json", name));
  };
  for (const std::string_view name : names.empty() ? std::span(all) : names) {
    TRY(out.tables_[std::string(name)], built_in(name));
  }
  for (const OwnTable& file : own.files) {
    const auto known = out.tables_.find(file.name);
    if (known == out.tables_.end()) continue;
    TRY(const Json json, text::parse_json(file.text, file.path.string()));
    TRY(const Json plain, built_in(file.name));
    TRY_DO(check_table(file.name, plain, known->second, json, file.path.string()));
    out.laid_.push_back(lay_over(known->second, std::string(plain["date"].text()), json, file));
  }
  return out;
}

const Json& TableSet::table(std::string_view name) const {
  static const Json kNone;
  const auto at = tables_.find(name);
  return at == tables_.end() ? kNone : at->second;
}

std::string TableSet::state(std::string_view name) const {
  std::string out(table(name)["date"].text());
  for (const LaidTable& laid : laid_)
    if (laid.table == name) out += " and " + laid.path.string();
  return out;
}

std::string TableSet::dates() const {
  std::string out;
  for (const auto& [name, json] : tables_) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, json["date"].text());
    for (const LaidTable& laid : laid_)
      if (laid.table == name)
        out += " and " + (laid.date.empty() ? "a file without date" : laid.date);
  }
  return out;
}

std::string TableSet::state(std::string_view name, const Json& row) const {
  if (const Json* from = row.find(kFrom)) return std::string(from->text());
  return std::string(row["date"].text(table(name)["date"].text()));
}

std::vector<std::string> age_notices(const TableSet& tables) {
  std::vector<std::string> out;
  for (const LaidTable& laid : tables.laid()) {
    if (laid.older.empty()) continue;
    const LaidTable::Older& first = laid.older.front();
    out.push_back(fmt::format(
        "{}, {}, row {} is of {} and stands for a built-in one of {}{}", laid.path.string(),
        first.section, first.row, first.date, first.built_in,
        laid.older.size() == 1 ? "" : fmt::format("; so do {} others", laid.older.size() - 1)));
  }
  return out;
}

}  // namespace flense::knowledge
