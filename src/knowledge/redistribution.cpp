#include "knowledge/redistribution.h"

#include <algorithm>

#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

namespace {

std::vector<LicensedPackagesRow> packages_of(const TableSet& tables, std::string_view section) {
  std::vector<LicensedPackagesRow> out;
  const TableRows rows(tables, "redistribution", section);
  rows.each([&](const Json& row) {
    const std::string name = text_at(row, "component");
    out.push_back(
        {name, texts_at(row, "packages"), text_at(row, "licence"), rows.source(row, name)});
  });
  return out;
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(
      patterns, [&](const std::string& pattern) { return matches_pattern(pattern, text); });
}

const LicensedPackagesRow* find(const std::vector<LicensedPackagesRow>& rows,
                                std::string_view package) {
  for (const LicensedPackagesRow& row : rows)
    if (any_matches(row.packages, package)) return &row;
  return nullptr;
}

}  // namespace

Redistribution Redistribution::read(const TableSet& tables) {
  Redistribution out;
  const TableRows listed(tables, "redistribution", "listed");
  listed.each([&](const Json& row) {
    const std::string name = text_at(row, "component");
    out.listed.push_back(
        {name, texts_at(row, "files"), text_at(row, "condition"), listed.source(row, name)});
  });
  out.tools = packages_of(tables, "tools");
  out.licences = packages_of(tables, "licences");
  return out;
}

const ListedFilesRow* Redistribution::listed_file(std::string_view name) const {
  for (const ListedFilesRow& row : listed)
    if (any_matches(row.files, name)) return &row;
  return nullptr;
}

const LicensedPackagesRow* Redistribution::tool(std::string_view package) const {
  return find(tools, package);
}

const LicensedPackagesRow* Redistribution::licence(std::string_view package) const {
  return find(licences, package);
}

}  // namespace flense::knowledge
