// What File reads from PT_DYNAMIC, PT_INTERP, the notes and the version tables. Malformed tables
// yield what could be read before the error: these are facts for reports, not for editing.
#include <algorithm>

#include "base/checked.h"
#include "elf/file.h"
#include "elf/format.h"
#include "elf/notes.h"

namespace flense::elf {
namespace {

constexpr std::size_t kMaxPath = 4096;  ///< one file name
constexpr std::size_t kMaxPathList = 64U << 10;
constexpr std::size_t kMaxVersionName = 256;
constexpr std::size_t kMaxNeeded = 4096;
constexpr std::size_t kMaxVersions = 65536;

/// The NUL-terminated string at `offset`; empty when it is out of bounds or has no end within
/// `limit`.
std::string string_at(Bytes table, std::uint64_t offset, std::size_t limit) {
  if (offset >= table.size()) return {};
  const std::string_view rest = as_text(table.subspan(offset)).substr(0, limit);
  const auto end = rest.find('\0');
  return end == std::string_view::npos ? std::string() : std::string(rest.substr(0, end));
}

/// The bytes from `address` to the end of the file image of its segment, at most `size`.
Bytes bytes_at(const File& file, std::uint64_t address, std::uint64_t size) {
  const auto offset = file.offset_of(address);
  if (!offset) return {};
  return file.bytes().subspan(*offset,
                              std::min<std::uint64_t>(size, file.bytes().size() - *offset));
}

Bytes dynamic_strings(const File& file) {
  const auto table = file.dynamic_value(DT_STRTAB);
  if (!table) return {};
  return bytes_at(file, *table, file.dynamic_value(DT_STRSZ).value_or(0));
}

}  // namespace

std::vector<DynamicEntry> File::dynamic() const {
  std::vector<DynamicEntry> entries;
  const auto segment = std::ranges::find(segments_, std::uint32_t{PT_DYNAMIC}, &Segment::type);
  if (segment == segments_.end() || segment->offset > bytes_.size()) return entries;
  const Bytes table =
      bytes_.subspan(segment->offset,
                     std::min<std::uint64_t>(segment->file_size, bytes_.size() - segment->offset));
  for (std::size_t at = 0; at + kDynamicSize <= table.size(); at += kDynamicSize) {
    const DynamicEntry entry{load_le<std::int64_t>(table, at),
                             load_le<std::uint64_t>(table, at + 8)};
    if (entry.tag == DT_NULL) break;
    entries.push_back(entry);
  }
  return entries;
}

std::optional<std::uint64_t> File::dynamic_value(std::int64_t tag) const {
  for (const DynamicEntry& entry : dynamic())
    if (entry.tag == tag) return entry.value;
  return std::nullopt;
}

std::string File::dynamic_string(std::int64_t tag) const {
  const auto offset = dynamic_value(tag);
  return offset ? string_at(dynamic_strings(*this), *offset, kMaxPathList) : std::string();
}

std::string File::soname() const {
  return dynamic_string(DT_SONAME);
}
std::string File::rpath() const {
  return dynamic_string(DT_RPATH);
}
std::string File::runpath() const {
  return dynamic_string(DT_RUNPATH);
}

std::vector<std::string> File::needed() const {
  std::vector<std::string> names;
  const Bytes strings = dynamic_strings(*this);
  for (const DynamicEntry& entry : dynamic()) {
    if (entry.tag != DT_NEEDED) continue;
    if (names.size() == kMaxNeeded) break;
    if (auto name = string_at(strings, entry.value, kMaxPath); !name.empty())
      names.push_back(std::move(name));
  }
  return names;
}

std::string File::interpreter() const {
  const auto segment = std::ranges::find(segments_, std::uint32_t{PT_INTERP}, &Segment::type);
  if (segment == segments_.end() || !range_fits(segment->offset, segment->file_size, bytes_.size()))
    return {};
  return string_at(bytes_.subspan(segment->offset, segment->file_size), 0, kMaxPath);
}

std::string File::build_id() const {
  Bytes id;
  for (const Segment& segment : segments_) {
    if (segment.type != PT_NOTE || !range_fits(segment.offset, segment.file_size, bytes_.size()))
      continue;
    id = find_note(bytes_.subspan(segment.offset, segment.file_size), segment.alignment, "GNU",
                   NT_GNU_BUILD_ID);
    if (!id.empty()) break;
  }
  for (std::size_t i = 0; id.empty() && i < sections_.size(); ++i) {
    if (sections_[i].type == SHT_NOTE)
      id = find_note(section_bytes(sections_[i]), sections_[i].alignment, "GNU", NT_GNU_BUILD_ID);
  }
  std::string text;
  for (const std::byte byte : id.first(std::min<std::size_t>(id.size(), 64)))
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

std::vector<std::pair<std::string, std::string>> File::version_needs() const {
  std::vector<std::pair<std::string, std::string>> needs;
  const auto table_address = dynamic_value(DT_VERNEED);
  const auto count = dynamic_value(DT_VERNEEDNUM);
  if (!table_address || !count) return needs;
  const Bytes strings = dynamic_strings(*this);
  const Bytes table = bytes_at(*this, *table_address, bytes_.size());
  constexpr std::size_t kEntrySize = 16;
  std::uint64_t at = 0;
  // vn_next and vna_next are relative and unsigned: each walk only moves forward.
  for (std::uint64_t i = 0; i < *count && range_fits(at, kEntrySize, table.size()); ++i) {
    const auto auxiliaries = load_le<std::uint16_t>(table, at + 2);
    const std::string library =
        string_at(strings, load_le<std::uint32_t>(table, at + 4), kMaxVersionName);
    std::uint64_t auxiliary = at + load_le<std::uint32_t>(table, at + 8);
    for (unsigned j = 0; j < auxiliaries && range_fits(auxiliary, kEntrySize, table.size()); ++j) {
      if (needs.size() == kMaxVersions) return needs;
      if ((load_le<std::uint16_t>(table, auxiliary + 4) & VER_FLG_WEAK) == 0)
        needs.emplace_back(library, string_at(strings, load_le<std::uint32_t>(table, auxiliary + 8),
                                              kMaxVersionName));
      const auto next = load_le<std::uint32_t>(table, auxiliary + 12);
      if (next == 0) break;
      auxiliary += next;
    }
    const auto next = load_le<std::uint32_t>(table, at + 12);
    if (next == 0) break;
    at += next;
  }
  return needs;
}

std::vector<std::string> File::version_definitions() const {
  std::vector<std::string> out;
  const auto table_address = dynamic_value(DT_VERDEF);
  const auto count = dynamic_value(DT_VERDEFNUM);
  if (!table_address || !count) return out;
  const Bytes strings = dynamic_strings(*this);
  const Bytes table = bytes_at(*this, *table_address, bytes_.size());
  constexpr std::size_t kEntrySize = 20, kAuxiliarySize = 8;
  std::uint64_t at = 0;
  // vd_next only moves forward; the first auxiliary entry names the version, others its parents.
  for (std::uint64_t i = 0; i < *count && range_fits(at, kEntrySize, table.size()); ++i) {
    const std::uint64_t name = at + load_le<std::uint32_t>(table, at + 12);
    if (out.size() == kMaxVersions || !range_fits(name, kAuxiliarySize, table.size())) break;
    out.push_back(string_at(strings, load_le<std::uint32_t>(table, name), kMaxVersionName));
    const auto next = load_le<std::uint32_t>(table, at + 16);
    if (next == 0) break;
    at += next;
  }
  return out;
}

}  // namespace flense::elf
