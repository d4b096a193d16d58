#include "knowledge/cpu_isa.h"

#include "knowledge/table_rows.h"

namespace flense::knowledge {

using text::Json;

CpuIsa CpuIsa::read(const TableSet& tables) {
  CpuIsa out;
  TableRows(tables, "cpu_isa", "levels").each([&](const Json& row) {
    out.levels.push_back({text_at(row, "level"), text_at(row, "since")});
  });
  const TableRows baselines(tables, "cpu_isa", "distributions");
  baselines.each([&](const Json& row) {
    const std::string name = text_at(row, "name"), version = text_at(row, "version");
    out.baselines.push_back(
        {name, version, text_at(row, "level"), baselines.source(row, name + " " + version)});
  });
  const TableRows flags(tables, "cpu_isa", "packages");
  flags.each([&](const Json& row) {
    const std::string package = text_at(row, "package");
    out.flags.push_back(
        {package, text_at(row, "since"), text_at(row, "flag"), flags.source(row, package)});
  });
  return out;
}

std::string CpuIsa::first_processors(std::string_view level) const {
  for (const CpuLevelRow& row : levels)
    if (row.level == level) return row.since;
  return {};
}

const CpuBaselineRow* CpuIsa::baseline(std::string_view pretty_name) const {
  for (const CpuBaselineRow& row : baselines) {
    if (!pretty_name.starts_with(row.name)) continue;
    const std::size_t digit = pretty_name.find_first_of("0123456789", row.name.size());
    if (digit == std::string_view::npos) continue;
    std::string_view version = pretty_name.substr(digit);
    version = version.substr(0, version.find_first_not_of("0123456789."));
    if (within(version, row.version, row.version)) return &row;
  }
  return nullptr;
}

unsigned cpu_level_number(std::string_view level) {
  if (level == "x86-64" || level == "x86-64-v1") return 1;
  if (level.size() != 9 || !level.starts_with("x86-64-v")) return 0;
  const char digit = level.back();
  return digit >= '2' && digit <= '9' ? static_cast<unsigned>(digit - '0') : 0;
}

}  // namespace flense::knowledge
