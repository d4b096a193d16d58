#include "report/device_matrix.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/format.h"
#include "report/table.h"

namespace flense::report {

namespace {

using inventory::ArchCount;
using inventory::DeviceCode;
using inventory::DeviceFile;

/// Four significant places at most: "980k", "12M", "1.2G".
std::string short_bytes(std::uint64_t bytes) {
  static constexpr std::array<char, 5> kUnits = {'k', 'M', 'G', 'T', 'P'};
  if (bytes == 0) return "·";
  double value = static_cast<double>(bytes) / 1000.0;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000.0;
    ++unit;
  }
  if (value < 9.95 && unit > 0) return fmt::format("{:.1f}{}", value, kUnits[unit]);
  return fmt::format("{:.0f}{}", std::max(1.0, value), kUnits[unit]);
}

/// "sm_90a"; "ptx_90" for PTX of "compute_90".
std::string column_title(const ArchCount& count) {
  const std::size_t underscore = count.arch.find('_');
  const std::string number =
      underscore == std::string::npos ? count.arch : count.arch.substr(underscore + 1);
  if (count.kind == "cubin") return count.arch;
  if (count.kind == "ptx") return "ptx_" + number;
  return count.kind + " " + number;
}

const ArchCount* find(const std::vector<ArchCount>& counts, const ArchCount& key) {
  const auto at = std::find_if(counts.begin(), counts.end(), [&](const ArchCount& count) {
    return count.kind == key.kind && count.arch == key.arch && count.vendor == key.vendor;
  });
  return at == counts.end() ? nullptr : &*at;
}

std::string wide(const DeviceCode& code, std::size_t limit, const Style& style) {
  std::vector<Column> columns = {{"SIZE", Align::kRight, Column::Flex::kNone},
                                 {"DEVICE", Align::kRight, Column::Flex::kNone}};
  for (const ArchCount& total : code.totals)
    columns.push_back({column_title(total), Align::kRight, Column::Flex::kNone});
  columns.push_back({"FILE", Align::kLeft, Column::Flex::kStart});
  Table table(std::move(columns));
  std::uint64_t size = 0;
  for (const DeviceFile& file : code.files) size += file.size_bytes;
  const auto row = [&](std::uint64_t file_size, std::uint64_t device,
                       const std::vector<ArchCount>& counts, std::string name, Ink ink) {
    std::vector<std::string> cells = {short_bytes(file_size), short_bytes(device)};
    for (const ArchCount& total : code.totals) {
      const ArchCount* count = find(counts, total);
      cells.push_back(short_bytes(count == nullptr ? 0 : count->bytes));
    }
    cells.push_back(std::move(name));
    table.add(std::move(cells), ink);
  };
  for (std::size_t i = 0; i < std::min(limit, code.files.size()); ++i) {
    const DeviceFile& file = code.files[i];
    row(file.size_bytes, file.device_bytes, file.entries, file.path, Ink::kPlain);
  }
  row(size, code.device_bytes, code.totals, fmt::format("total of {} files", code.files.size()),
      Ink::kBold);
  return table.text(style);
}

std::string arch_list(const std::vector<ArchCount>& counts) {
  std::string out;
  for (const ArchCount& count : counts) out += (out.empty() ? "" : " ") + column_title(count);
  return out;
}

std::string narrow(const DeviceCode& code, std::size_t limit, const Style& style) {
  Table table({{"DEVICE", Align::kRight, Column::Flex::kNone},
               {"FILE", Align::kLeft, Column::Flex::kStart},
               {"ARCHITECTURES", Align::kLeft, Column::Flex::kEnd}});
  for (std::size_t i = 0; i < std::min(limit, code.files.size()); ++i) {
    const DeviceFile& file = code.files[i];
    table.add({short_bytes(file.device_bytes), file.path, arch_list(file.entries)});
  }
  std::string out = table.text(style);
  Table totals({{"BYTES", Align::kRight, Column::Flex::kNone},
                {"ENTRIES", Align::kRight, Column::Flex::kNone},
                {"KIND", Align::kLeft, Column::Flex::kNone},
                {"ARCHITECTURE", Align::kLeft, Column::Flex::kNone}});
  for (const ArchCount& total : code.totals)
    totals.add({short_bytes(total.bytes), grouped(total.count), total.kind, total.arch});
  return out + totals.text(style);
}

}  // namespace

std::string device_matrix(const DeviceCode& code, std::size_t limit, const Style& style) {
  if (limit == 0) limit = code.files.size();
  constexpr std::size_t kFixed = 2 + 5 + 2 + 6, kCell = 8, kPath = 28;
  const std::size_t wanted = kFixed + kCell * code.totals.size() + kPath;
  if (style.columns != 0 && wanted > style.columns) return narrow(code, limit, style);
  return wide(code, limit, style);
}

}  // namespace flense::report
