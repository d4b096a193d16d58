#include "knowledge/launch_facts.h"

#include <algorithm>

#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

namespace {

std::vector<LaunchPathRow> paths_of(const TableSet& tables, std::string_view section) {
  std::vector<LaunchPathRow> out;
  const TableRows rows(tables, "launch", section);
  rows.each([&](const Json& row) {
    const std::string name = text_at(row, "name");
    out.push_back({name, text_at(row, "means"), rows.source(row, name)});
  });
  return out;
}

const LaunchPathRow* find(const std::vector<LaunchPathRow>& rows, std::string_view name) {
  const auto at = std::ranges::find(rows, name, &LaunchPathRow::name);
  return at == rows.end() ? nullptr : &*at;
}

}  // namespace

LaunchFacts LaunchFacts::read(const TableSet& tables) {
  LaunchFacts out;
  const TableRows images(tables, "launch", "images");
  images.each([&](const Json& row) {
    const std::string name = text_at(row, "repository");
    out.images.push_back({name, text_at(row, "vendor"), text_at(row, "role"),
                          row["large"].bool_or(false), row["shm"].bool_or(false),
                          text_at(row, "cache"), images.source(row, name)});
  });
  out.arguments = paths_of(tables, "arguments");
  out.variables = paths_of(tables, "variables");
  return out;
}

const LaunchImageRow* LaunchFacts::image(std::string_view repository) const {
  for (const LaunchImageRow& row : images)
    if (matches_pattern(row.repository, repository)) return &row;
  return nullptr;
}

const LaunchPathRow* LaunchFacts::argument(std::string_view name) const {
  return find(arguments, name);
}

const LaunchPathRow* LaunchFacts::variable(std::string_view name) const {
  return find(variables, name);
}

}  // namespace flense::knowledge
