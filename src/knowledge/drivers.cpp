#include "knowledge/drivers.h"

#include <algorithm>

#include "base/format.h"
#include "base/numbers.h"
#include "base/version_numbers.h"

namespace flense::knowledge {

namespace {

using text::Json;
constexpr std::string_view kDriverTable = "cuda_driver";

std::string text_of(const Json& json) {
  return std::string(json.text());
}

std::string branch_name(const Json& row) {
  return fmt::format("branch {}", row["branch"].unsigned_or(0));
}

}  // namespace

std::string row_source(const TableSet& tables, std::string_view table, std::string_view section,
                       std::string_view row_name, const Json& row) {
  const std::string own = text_of(row["confidence"]);
  const std::string confidence =
      own.empty() ? text_of(tables.table(table)[section]["confidence"]) : own;
  const bool worth_saying = confidence == "medium" || confidence == "low";
  return fmt::format("{}.json, {}, {} ({}{})", table, section, row_name, tables.state(table, row),
                     worth_saying ? ", confidence " + confidence : std::string());
}

Drivers Drivers::read(const TableSet& tables) {
  Drivers out;
  const Json& table = tables.table(kDriverTable);
  const auto rows = [&](std::string_view section, auto&& take) {
    for (const Json& row : table[section]["rows"].items()) take(row);
  };
  out.date = text_of(table["date"]);
  rows("toolkits", [&](const Json& row) {
    const std::string cuda = text_of(row["cuda"]);
    const std::uint64_t update = row["update"].unsigned_or(0);
    const std::string name = fmt::format("CUDA {} update {}", cuda, update);
    out.toolkits.push_back({cuda, update, text_of(row["driver"]),
                            row_source(tables, kDriverTable, "toolkits", name, row)});
  });
  rows("minor_version", [&](const Json& row) {
    const std::uint64_t major = row["cuda_major"].unsigned_or(0);
    const std::string name = fmt::format("CUDA {}", major);
    out.minor_versions.push_back({major, text_of(row["driver"]),
                                  row_source(tables, kDriverTable, "minor_version", name, row)});
  });
  rows("branches", [&](const Json& row) {
    out.branches.push_back({row["branch"].unsigned_or(0), text_of(row["cuda_native"]),
                            text_of(row["type"]), text_of(row["eol"]),
                            row_source(tables, kDriverTable, "branches", branch_name(row), row)});
  });
  rows("open_modules", [&](const Json& row) {
    const std::string kind = text_of(row["kind"]);
    ModuleKindRow made{kind, {}, row_source(tables, kDriverTable, "open_modules", kind, row)};
    for (const Json& name : row["does_not_drive"].items())
      made.does_not_drive.push_back(text_of(name));
    out.module_kinds.push_back(std::move(made));
  });
  rows("tegra", [&](const Json& row) {
    const std::string release = text_of(row["release"]);
    out.tegra.push_back({release, text_of(row["driver"]), text_of(row["cuda"]),
                         row_source(tables, kDriverTable, "tegra", release, row)});
  });
  rows("formats", [&](const Json& row) {
    const std::string name = text_of(row["format"]);
    out.formats.push_back(
        {name, text_of(row["cuda"]), row_source(tables, kDriverTable, "formats", name, row)});
  });
  return out;
}

const BranchRow* Drivers::branch(std::uint64_t number) const {
  const auto at = std::ranges::find(branches, number, &BranchRow::branch);
  return at == branches.end() ? nullptr : &*at;
}

const BranchRow* Drivers::branch_below(std::uint64_t number) const {
  const BranchRow* out = nullptr;
  for (const BranchRow& row : branches)
    if (row.branch < number && (out == nullptr || row.branch > out->branch)) out = &row;
  return out;
}

const BranchRow* Drivers::newest_branch() const {
  return branch_below(UINT64_MAX);
}

const MinorVersionRow* Drivers::minor_version(std::uint64_t cuda_major) const {
  const auto at = std::ranges::find(minor_versions, cuda_major, &MinorVersionRow::cuda_major);
  return at == minor_versions.end() ? nullptr : &*at;
}

const ToolkitRow* Drivers::toolkit(std::string_view cuda) const {
  const ToolkitRow* out = nullptr;
  for (const ToolkitRow& row : toolkits)
    if (row.cuda == cuda && (out == nullptr || row.update < out->update)) out = &row;
  return out;
}

const ToolkitRow* Drivers::newest_toolkit() const {
  const ToolkitRow* out = nullptr;
  for (const ToolkitRow& row : toolkits)
    if (out == nullptr || compare_versions(row.cuda, out->cuda) > 0) out = &row;
  return out;
}

std::string Drivers::floor_for_cuda(std::string_view version) const {
  const auto first_dot = version.find('.');
  if (first_dot == std::string_view::npos) return {};
  const auto second_dot = version.find('.', first_dot + 1);
  const std::string_view cuda = version.substr(0, second_dot);
  std::uint64_t wanted = 0;
  if (second_dot != std::string_view::npos) {
    const auto update = parse_number(version.substr(second_dot + 1));
    if (!update) return {};
    wanted = *update;
  }
  std::string floor;
  for (const ToolkitRow& row : toolkits) {
    if (row.cuda != cuda) continue;
    if (row.update == wanted) return row.driver;
    if (row.update == 0) floor = row.driver;
  }
  return floor;
}

std::string Drivers::cuda_of(std::string_view driver) const {
  const auto number = parse_number(driver.substr(0, driver.find('.')));
  const BranchRow* row = number ? branch(*number) : nullptr;
  return row == nullptr ? std::string() : row->cuda;
}

const FormatRow* Drivers::format(std::string_view name) const {
  const auto at = std::ranges::find(formats, name, &FormatRow::format);
  return at == formats.end() ? nullptr : &*at;
}

}  // namespace flense::knowledge
