#include "knowledge/table_set.h"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/format.h"
#include "knowledge/tables.h"

namespace flense::knowledge {

namespace {

using text::Json;

constexpr std::uint64_t kMaxTable = 16u << 20;

/// Sections nest; only the lists named "rows" are joined.
void lay_over(Json& base, const Json& own) {
  for (const auto& [name, value] : own.members()) {
    Json* member = base.find_mutable(name);
    if (member == nullptr) {
      base.set(name, value);
    } else if (name == "rows" && member->is_array() && value.is_array()) {
      Json joined = value;
      for (const Json& row : member->items()) joined.push(row);
      *member = std::move(joined);
    } else if (member->is_object() && value.is_object()) {
      lay_over(*member, value);
    } else {
      *member = value;
    }
  }
}

Result<std::vector<std::filesystem::path>> own_tables(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error))
    if (at->path().extension() == ".json") out.push_back(at->path());
  if (error)
    return bad_input("cannot list the data directory {}: {}", directory.string(), error.message());
  return out;
}

}  // namespace

Result<TableSet> TableSet::load(const std::optional<std::filesystem::path>& directory,
                                std::span<const std::string_view> names) {
  std::vector<std::string_view> all = embedded_table_names();
  std::erase_if(all, [](std::string_view name) {
    return name.starts_with(kLintTables);  // read by LintRules alone
  });
  TableSet out;
  for (const std::string_view name : names.empty() ? std::span(std::as_const(all)) : names) {
    TRY(Json json, text::parse_json(embedded_table(name), fmt::format("data/{}.json", name)));
    out.tables_[std::string(name)].json = std::move(json);
  }
  if (!directory) return out;
  TRY(const auto paths, own_tables(*directory));
  for (const std::filesystem::path& path : paths) {
    if (std::ranges::find(all, path.stem().string()) == all.end())
      return bad_input("{} is no table of flense", path.string())
          .hint(fmt::format("the tables are {}", fmt::join(all, ", ")));
    const auto known = out.tables_.find(path.stem().string());
    if (known == out.tables_.end()) continue;
    TRY(const std::string content, read_file(path, kMaxTable));
    TRY(const Json own, text::parse_json(content, path.string()));
    if (!own.is_object()) return bad_input("{} is no JSON object", path.string());
    lay_over(known->second.json, own);
    known->second.own = path.string();
  }
  return out;
}

const Json& TableSet::table(std::string_view name) const {
  static const Json kNone;
  const auto at = tables_.find(name);
  return at == tables_.end() ? kNone : at->second.json;
}

std::string TableSet::state(std::string_view name) const {
  const auto at = tables_.find(name);
  if (at == tables_.end()) return {};
  std::string out(at->second.json["date"].text());
  return at->second.own.empty() ? out : out + " and " + at->second.own;
}

}  // namespace flense::knowledge
