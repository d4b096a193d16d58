#include "knowledge/build_facts.h"

#include <algorithm>
#include <limits>

#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

namespace {

constexpr std::string_view kBuildTable = "build_files";

std::vector<NamePatternRow> patterns_of(const TableSet& tables, std::string_view section,
                                        std::string_view key = "pattern") {
  std::vector<NamePatternRow> out;
  const TableRows rows(tables, kBuildTable, section);
  rows.each([&](const Json& row) {
    const std::string name = text_at(row, key);
    out.push_back({name, text_at(row, "what"), text_at(row, "instead"), text_at(row, "ignore"),
                   rows.source(row, name)});
  });
  return out;
}

}  // namespace

BuildFacts BuildFacts::read(const TableSet& tables) {
  BuildFacts out;
  const TableRows uses(tables, kBuildTable, "capabilities");
  uses.each([&](const Json& row) {
    const std::string pattern = text_at(row, "pattern");
    out.capabilities.push_back({text_at(row, "on"), pattern, text_at(row, "capability"),
                                text_at(row, "what"), uses.source(row, pattern),
                                row["only_some"].bool_or(false)});
  });
  const TableRows images(tables, kBuildTable, "image_capabilities");
  images.each([&](const Json& row) {
    const std::string name = text_at(row, "repository");
    out.image_capabilities.push_back(
        {name, texts_at(row, "capabilities"), images.source(row, name)});
  });
  out.driver_packages = patterns_of(tables, "driver_packages");
  out.driver_libraries = patterns_of(tables, "driver_libraries");
  out.toolkit_packages = patterns_of(tables, "toolkit_packages");
  out.recommending_packages = patterns_of(tables, "recommending_packages");
  out.context_waste = patterns_of(tables, "context_waste");
  out.secrets = patterns_of(tables, "secrets", "name");
  const TableRows caches(tables, kBuildTable, "caches");
  caches.each([&](const Json& row) {
    const std::string tool = text_at(row, "tool");
    out.caches.push_back({tool, text_at(row, "variable"), text_at(row, "xdg"), text_at(row, "home"),
                          texts_at(row, "off"), texts_at(row, "options"),
                          caches.source(row, tool)});
  });
  const TableRows forms(tables, kBuildTable, "secret_forms");
  forms.each([&](const Json& row) {
    const std::string prefix = text_at(row, "prefix");
    out.secret_forms.push_back({prefix, row["length"].unsigned_or(0), text_at(row, "what"),
                                forms.source(row, prefix), row["plain"].bool_or(false)});
  });
  const TableRows large(tables, kBuildTable, "large_repositories");
  large.each([&](const Json& row) {
    const std::string pattern = text_at(row, "pattern");
    out.large_repositories.push_back(
        {pattern, text_at(row, "size"), row["tags"].bool_or(false), large.source(row, pattern)});
  });
  const TableRows limits(tables, kBuildTable, "limits");
  limits.each([&](const Json& row) {
    out.limits.emplace_back(text_at(row, "name"), row["bytes"].unsigned_or(0));
  });
  return out;
}

const ToolCacheRow* BuildFacts::cache(std::string_view tool) const {
  const auto at = std::ranges::find(caches, tool, &ToolCacheRow::tool);
  return at == caches.end() ? nullptr : &*at;
}

const NamePatternRow* BuildFacts::secret(std::string_view name) const {
  const auto at = std::ranges::find(secrets, name, &NamePatternRow::pattern);
  return at == secrets.end() ? nullptr : &*at;
}

const LargeRepositoryRow* BuildFacts::large_repository(std::string_view owner_and_name) const {
  for (const LargeRepositoryRow& row : large_repositories)
    if (matches_pattern(row.pattern, owner_and_name)) return &row;
  return nullptr;
}

std::uint64_t BuildFacts::limit(std::string_view name) const {
  for (const auto& [key, bytes] : limits)
    if (key == name) return bytes;
  return std::numeric_limits<std::uint64_t>::max();
}

std::string_view trailing_numbers(std::string_view name) {
  std::size_t begin = name.size();
  while (begin > 0) {
    const std::size_t dash = name.rfind('-', begin - 1);
    if (dash == std::string_view::npos || dash + 1 == begin) break;
    const std::string_view part = name.substr(dash + 1, begin - dash - 1);
    if (part.find_first_not_of("0123456789") != std::string_view::npos) break;
    begin = dash;
  }
  return begin == name.size() ? std::string_view() : name.substr(begin + 1);
}

const NamePatternRow* find_pattern(const std::vector<NamePatternRow>& rows, std::string_view name) {
  const std::string_view numbers = trailing_numbers(name);
  for (const NamePatternRow& row : rows) {
    if (matches_pattern(row.pattern, name)) return &row;
    if (numbers.empty()) continue;
    // "cuda-N-N": as many numbers as the name has.
    std::string_view pattern = row.pattern;
    std::size_t wanted = 0;
    while (pattern.ends_with("-N")) {
      pattern.remove_suffix(2);
      ++wanted;
    }
    const auto parts = static_cast<std::size_t>(std::ranges::count(numbers, '-')) + 1;
    if (wanted == parts && name.substr(0, name.size() - numbers.size() - 1) == pattern) return &row;
  }
  return nullptr;
}

}  // namespace flense::knowledge
