#include "elf/abi_facts.h"

#include <algorithm>
#include <optional>

#include "base/checked.h"
#include "elf/file.h"
#include "elf/format.h"

namespace flense::elf {
namespace {

constexpr std::size_t kMaxName = 4096, kMaxAbiVersionName = 256;
constexpr std::size_t kMaxAbiNeeded = 4096, kMaxAbiVersions = 4096;
constexpr std::size_t kMaxDynamic = 65536;

struct Load {
  std::uint64_t address = 0, offset = 0, size = 0;
};

/// The fields that the two classes have at different places.
struct Shape {
  std::size_t header, program_offset, program_size, program_count;  // e_phoff, e_phentsize, e_phnum
  std::size_t program;                                              // sizeof(Elf_Phdr)
  std::size_t offset, address, file_size;                           // in it
  std::size_t word;
};
constexpr Shape kWide{64, 32, 54, 56, 56, 8, 16, 32, 8};
constexpr Shape kNarrow{52, 28, 42, 44, 32, 4, 8, 16, 4};

class Reader {
 public:
  Reader(Bytes bytes, bool wide) : bytes_(bytes), shape_(wide ? kWide : kNarrow) {}

  Result<AbiFacts> read(std::string_view name);

 private:
  std::uint64_t word(std::size_t at) const {
    return shape_.word == 8 ? load_le<std::uint64_t>(bytes_, at)
                            : load_le<std::uint32_t>(bytes_, at);
  }
  std::optional<std::uint64_t> value(std::uint64_t tag) const {
    const auto found =
        std::ranges::find(dynamic_, tag, &std::pair<std::uint64_t, std::uint64_t>::first);
    return found == dynamic_.end() ? std::nullopt : std::optional(found->second);
  }
  /// From a virtual address to the end of its segment's bytes in the file.
  Bytes at_address(std::uint64_t address) const;
  std::string text(std::uint64_t offset, std::size_t limit) const;
  void read_dynamic(std::uint64_t offset, std::uint64_t size);
  void read_needs(AbiFacts& out) const;
  void read_definitions(AbiFacts& out) const;

  Bytes bytes_;
  const Shape& shape_;
  std::vector<Load> loads_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> dynamic_;
  Bytes strings_;
};

Bytes Reader::at_address(std::uint64_t address) const {
  for (const Load& load : loads_) {
    if (address < load.address || address - load.address >= load.size) continue;
    const std::uint64_t skip = address - load.address;
    if (!range_fits(load.offset, skip, bytes_.size())) return {};
    const std::uint64_t at = load.offset + skip;
    return bytes_.subspan(at, std::min<std::uint64_t>(load.size - skip, bytes_.size() - at));
  }
  return {};
}

std::string Reader::text(std::uint64_t offset, std::size_t limit) const {
  if (offset >= strings_.size()) return {};
  const std::string_view rest = as_text(strings_.subspan(offset)).substr(0, limit);
  const auto end = rest.find('\0');
  return end == std::string_view::npos ? std::string() : std::string(rest.substr(0, end));
}

void Reader::read_dynamic(std::uint64_t offset, std::uint64_t size) {
  const std::size_t entry = 2 * shape_.word;
  if (offset > bytes_.size()) return;
  const std::uint64_t end = offset + std::min<std::uint64_t>(size, bytes_.size() - offset);
  for (std::uint64_t at = offset; at + entry <= end && dynamic_.size() < kMaxDynamic; at += entry) {
    const std::uint64_t tag = word(at);
    if (tag == DT_NULL) return;
    dynamic_.emplace_back(tag, word(at + shape_.word));
  }
}

void Reader::read_needs(AbiFacts& out) const {
  const auto address = value(DT_VERNEED), count = value(DT_VERNEEDNUM);
  if (!address || !count) return;
  const Bytes table = at_address(*address);
  constexpr std::size_t kSize = 16;  // Verneed and Vernaux alike, in both classes
  // vn_next and vna_next are relative and unsigned: each walk only moves forward.
  std::uint64_t at = 0;
  std::size_t seen = 0;
  for (std::uint64_t i = 0; i < *count && range_fits(at, kSize, table.size()); ++i) {
    const auto versions = load_le<std::uint16_t>(table, at + 2);
    const std::string library = text(load_le<std::uint32_t>(table, at + 4), kMaxAbiVersionName);
    std::uint64_t aux = at + load_le<std::uint32_t>(table, at + 8);
    for (unsigned j = 0; j < versions && range_fits(aux, kSize, table.size()); ++j) {
      if (++seen > kMaxAbiVersions) return;
      const auto flags = load_le<std::uint16_t>(table, aux + 4);
      if ((flags & VER_FLG_WEAK) == 0)
        out.needs.push_back(
            {library, text(load_le<std::uint32_t>(table, aux + 8), kMaxAbiVersionName)});
      const auto next = load_le<std::uint32_t>(table, aux + 12);
      if (next == 0) break;
      aux += next;
    }
    const auto next = load_le<std::uint32_t>(table, at + 12);
    if (next == 0 || ++seen > kMaxAbiVersions) break;
    at += next;
  }
}

void Reader::read_definitions(AbiFacts& out) const {
  const auto address = value(DT_VERDEF), count = value(DT_VERDEFNUM);
  if (!address || !count) return;
  const Bytes table = at_address(*address);
  constexpr std::size_t kSize = 20, kAuxSize = 8;
  std::uint64_t at = 0;
  for (std::uint64_t i = 0;
       i < std::min<std::uint64_t>(*count, kMaxAbiVersions) && range_fits(at, kSize, table.size());
       ++i) {
    const auto flags = load_le<std::uint16_t>(table, at + 2);
    const std::uint64_t aux = at + load_le<std::uint32_t>(table, at + 12);
    // The base definition is the file's own name.
    if ((flags & VER_FLG_BASE) == 0 && range_fits(aux, kAuxSize, table.size()))
      out.defines.push_back(text(load_le<std::uint32_t>(table, aux), kMaxAbiVersionName));
    const auto next = load_le<std::uint32_t>(table, at + 16);
    if (next == 0) break;
    at += next;
  }
}

Result<AbiFacts> Reader::read(std::string_view name) {
  if (bytes_.size() < shape_.header) return bad_input("{} ends within its ELF header", name);
  AbiFacts out;
  out.wide = shape_.word == 8;
  out.type = load_le<std::uint16_t>(bytes_, 16);
  out.machine = load_le<std::uint16_t>(bytes_, 18);
  const std::uint64_t table = word(shape_.program_offset);
  const std::size_t size = load_le<std::uint16_t>(bytes_, shape_.program_size);
  const std::size_t count = load_le<std::uint16_t>(bytes_, shape_.program_count);
  if (count == 0) return out;
  if (size != shape_.program || !range_fits(table, count * size, bytes_.size()))
    return bad_input("{} has {} program headers of {} bytes at offset {}, beyond its {} bytes",
                     name, count, size, table, bytes_.size());
  std::optional<std::pair<std::uint64_t, std::uint64_t>> dynamic;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = table + i * size;
    const auto type = load_le<std::uint32_t>(bytes_, at);
    if (type == PT_LOAD)
      loads_.push_back(
          {word(at + shape_.address), word(at + shape_.offset), word(at + shape_.file_size)});
    if (type == PT_DYNAMIC && !dynamic)
      dynamic = {word(at + shape_.offset), word(at + shape_.file_size)};
  }
  if (!dynamic) return out;
  read_dynamic(dynamic->first, dynamic->second);
  if (const auto strings = value(DT_STRTAB)) {
    strings_ = at_address(*strings);
    strings_ =
        strings_.first(std::min<std::uint64_t>(strings_.size(), value(DT_STRSZ).value_or(0)));
  }
  if (const auto soname = value(DT_SONAME)) out.soname = text(*soname, kMaxName);
  for (const auto& [tag, offset] : dynamic_) {
    if (tag != DT_NEEDED || out.needed.size() == kMaxAbiNeeded) continue;
    if (std::string one = text(offset, kMaxName); !one.empty())
      out.needed.push_back(std::move(one));
  }
  read_needs(out);
  read_definitions(out);
  return out;
}

}  // namespace

Result<AbiFacts> read_abi_facts(Bytes bytes, std::string_view name) {
  if (!looks_like_elf(bytes)) return bad_input("{} is not an ELF file", name);
  if (bytes.size() < 20) return bad_input("{} ends within its ELF header", name);
  const auto elf_class = static_cast<unsigned>(bytes[EI_CLASS]);
  if (elf_class != ELFCLASS32 && elf_class != ELFCLASS64)
    return bad_input("{} has the invalid ELF class {}", name, elf_class);
  if (static_cast<unsigned>(bytes[EI_DATA]) != ELFDATA2LSB)
    return bad_input("{} is not little-endian", name);
  return Reader(bytes, elf_class == ELFCLASS64).read(name);
}

}  // namespace flense::elf
