#include "knowledge/table_files.h"

#include <algorithm>
#include <array>
#include <ranges>
#include <system_error>

#include "base/file.h"
#include "base/format.h"
#include "codec/sha256.h"
#include "knowledge/tables.h"

namespace flense::knowledge {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxTable = 16u << 20;
constexpr std::size_t kMostFiles = 1000;
constexpr std::array<const char*, 2> kSystemPlaces = {"/etc/flense/data", "/usr/share/flense/data"};

Result<void> known_table(const fs::path& path) {
  const std::vector<std::string_view> all = table_names();
  if (std::ranges::find(all, path.stem().string()) != all.end()) return {};
  return bad_input("{} is no table of flense", path.string())
      .hint(fmt::format("the tables are {}", fmt::join(all, ", ")));
}

}  // namespace

std::vector<TablePlace> table_places(const std::optional<fs::path>& data,
                                     const std::string& variable) {
  std::vector<TablePlace> out;
  if (data) out.push_back({*data, "--data"});
  if (!variable.empty()) out.push_back({variable, "$FLENSE_DATA"});
  for (const char* place : kSystemPlaces) out.push_back({place, {}});
  return out;
}

std::vector<std::string_view> table_names() {
  std::vector<std::string_view> out = embedded_table_names();
  std::erase_if(out, [](std::string_view name) { return name.starts_with(kLintTables); });
  return out;
}

Result<std::vector<fs::path>> list_tables(const TablePlace& place) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator at(place.directory, error), end; !error && at != end;
       at.increment(error)) {
    if (at->path().extension() != ".json") continue;
    if (out.size() == kMostFiles)
      return bad_input("the data directory {} has more than {} files .json, expected one a table",
                       place.directory.string(), kMostFiles);
    out.push_back(at->path());
  }
  const bool may_miss = place.named_by.empty() && error == std::errc::no_such_file_or_directory;
  if (error && !may_miss)
    return bad_input("cannot list the data directory {}: {}", place.directory.string(),
                     error.message());
  std::ranges::sort(out);
  return out;
}

std::string OwnTables::digest() const {
  if (files.empty()) return {};
  codec::Sha256 sum;
  for (const OwnTable& file : files)
    sum.update(
        as_bytes(fmt::format("{}\n{}\n{}", file.path.string(), file.text.size(), file.text)));
  return sum.hex();
}

Result<OwnTable> read_own_table(const fs::path& path) {
  TRY_DO(known_table(path));
  std::error_code ignored;
  // Opening a named pipe would wait for somebody to write to it.
  if (const fs::file_status status = fs::status(path, ignored);
      fs::exists(status) && !fs::is_regular_file(status))
    return bad_input("{} is not a regular file", path.string());
  TRY(std::string text, read_file(path, kMaxTable));
  return OwnTable{path.stem().string(), path, std::move(text)};
}

Result<OwnTables> read_own_tables(std::span<const TablePlace> places,
                                  std::span<const std::string_view> names) {
  OwnTables out;
  for (const TablePlace& place : places | std::views::reverse) {
    TRY(const std::vector<fs::path> paths, list_tables(place));
    for (const fs::path& path : paths) {
      TRY_DO(known_table(path));
      if (!names.empty() && std::ranges::find(names, path.stem().string()) == names.end()) continue;
      TRY(OwnTable table, read_own_table(path));
      out.files.push_back(std::move(table));
    }
  }
  return out;
}

}  // namespace flense::knowledge
