#include "report/images/device_matrix.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "base/format.h"
#include "report/format/table.h"

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

std::string column_title(const ArchCount& count) {
  return code_name(count.vendor, count.kind, count.arch);
}

const ArchCount* find(const std::vector<ArchCount>& counts, const ArchCount& key) {
  const auto at = std::find_if(counts.begin(), counts.end(), [&](const ArchCount& count) {
    return count.kind == key.kind && count.arch == key.arch && count.vendor == key.vendor;
  });
  return at == counts.end() ? nullptr : &*at;
}

/// The architectures that get a column: the heaviest `count`, in the order of the totals.
std::vector<ArchCount> chosen_columns(const DeviceCode& code, std::size_t count) {
  std::vector<ArchCount> out = code.totals;
  if (out.size() <= count) return out;
  std::vector<std::uint64_t> bytes;
  for (const ArchCount& total : out) bytes.push_back(total.bytes);
  std::nth_element(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count) - 1,
                   bytes.end(), std::greater<>());
  const std::uint64_t least = bytes[count - 1];
  std::erase_if(out, [&](const ArchCount& total) { return total.bytes < least; });
  if (out.size() > count) out.resize(count);
  return out;
}

std::string wide(const DeviceCode& code, std::size_t limit, std::size_t arch_columns,
                 const Style& style) {
  const std::vector<ArchCount> chosen = chosen_columns(code, arch_columns);
  const bool others = chosen.size() < code.totals.size();
  std::vector<Column> columns = {{"FILE", Align::kLeft, Column::Flex::kPath},
                                 {"SIZE", Align::kRight, Column::Flex::kNone},
                                 {"DEVICE", Align::kRight, Column::Flex::kNone}};
  for (const ArchCount& one : chosen)
    columns.push_back({column_title(one), Align::kRight, Column::Flex::kNone});
  if (others) columns.push_back({"others", Align::kRight, Column::Flex::kNone});
  Table table(std::move(columns));
  std::uint64_t size = 0;
  for (const DeviceFile& file : code.files) size += file.size_bytes;
  const auto row = [&](std::uint64_t file_size, std::uint64_t device,
                       const std::vector<ArchCount>& counts, std::string name, Ink ink) {
    std::vector<std::string> cells = {std::move(name), short_bytes(file_size), short_bytes(device)};
    std::uint64_t rest = 0;
    for (const ArchCount& count : counts) rest += count.bytes;
    for (const ArchCount& one : chosen) {
      const ArchCount* count = find(counts, one);
      const std::uint64_t bytes = count == nullptr ? 0 : count->bytes;
      rest -= bytes;
      cells.push_back(short_bytes(bytes));
    }
    if (others) cells.push_back(short_bytes(rest));
    table.add(std::move(cells), ink);
  };
  for (std::size_t i = 0; i < std::min(limit, code.files.size()); ++i) {
    const DeviceFile& file = code.files[i];
    row(file.size_bytes, file.device_bytes, file.entries, file.path, Ink::kPlain);
  }
  row(size, code.device_bytes, code.totals, fmt::format("{} files", code.files.size()), Ink::kBold);
  return table.text(style);
}

std::string arch_list(const std::vector<ArchCount>& counts) {
  std::string out;
  for (const ArchCount& count : counts) out += (out.empty() ? "" : " ") + column_title(count);
  return out;
}

std::string narrow(const DeviceCode& code, std::size_t limit, const Style& style) {
  Table table({{"DEVICE", Align::kRight, Column::Flex::kNone},
               {"FILE", Align::kLeft, Column::Flex::kPath},
               {"ARCHITECTURES", Align::kLeft, Column::Flex::kWrap}});
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

std::string code_name(std::string_view vendor, std::string_view kind, std::string_view arch) {
  if (vendor == "amd") return kind == "code-object" ? std::string(arch) : "amd unknown";
  const std::size_t underscore = arch.find('_');
  const std::string_view number =
      underscore == std::string_view::npos ? arch : arch.substr(underscore + 1);
  if (kind == "cubin") return std::string(arch);
  if (kind == "ptx") return fmt::format("ptx_{}", number);
  return fmt::format("{} {}", kind, number);
}

std::string device_matrix(const DeviceCode& code, std::size_t limit, const Style& style) {
  const bool all = limit == 0;
  if (all) limit = code.files.size();
  if (all && style.columns == 0) return wide(code, limit, code.totals.size(), style);
  // A log has no width, but should not wrap everywhere.
  constexpr std::size_t kLogWidth = 160;
  constexpr std::size_t kPath = 30, kFixed = 2 + 2 + 5 + 2 + 6, kCell = 9, kFewest = 2;
  const std::size_t width = style.columns == 0 ? kLogWidth : style.columns;
  const std::size_t room = width - std::min<std::size_t>(width, kPath + kFixed);
  std::size_t fitting = room / kCell;
  if (fitting < code.totals.size() && fitting > 0) --fitting;  // for "others"
  if (fitting < std::min(kFewest, code.totals.size())) return narrow(code, limit, style);
  return wide(code, limit, fitting, style);
}

}  // namespace flense::report
