#include "inventory/scan/mentions.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/path.h"
#include "inventory/names/cuda_libraries.h"
#include "inventory/names/waste.h"

namespace flense::inventory {

namespace {

constexpr std::size_t kMostNames = 64;

bool is_name(char c) {
  return is_alphanumeric(c) || c == '_' || c == '-';
}

constexpr std::string_view kMark = ".so";

/// Where the next mark begins, or npos. Whole blocks first, without branches, at the speed of
/// memory: the tables of a library are full of single dots.
std::size_t next_mark(std::string_view text, std::size_t from) {
  constexpr std::size_t kBlock = 256;
  for (; from < text.size() && text.size() - from >= kBlock + kMark.size(); from += kBlock) {
    const char* const at = text.data() + from;
    unsigned hit = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const int off = (at[i] ^ kMark[0]) | (at[i + 1] ^ kMark[1]) | (at[i + 2] ^ kMark[2]);
      hit |= static_cast<unsigned char>(off == 0);
    }
    if (hit != 0) break;
  }
  return text.find(kMark, from);
}

void collect(std::string_view text, std::set<std::string>& out) {
  // The longest of the vendor's names has 25 characters before it.
  constexpr std::size_t kLongest = 40;
  for (std::size_t at = next_mark(text, 0); at != std::string_view::npos && out.size() < kMostNames;
       at = next_mark(text, at + kMark.size())) {
    std::size_t begin = at;
    while (begin > 0 && at - begin < kLongest && is_name(text[begin - 1])) --begin;
    std::size_t end = at + kMark.size();
    while (end < text.size() && end - at < kLongest &&
           (text[end] == '.' || (text[end] >= '0' && text[end] <= '9')))
      ++end;
    while (text[end - 1] == '.') --end;
    const std::string_view name = text.substr(begin, end - begin);
    if (name.starts_with("lib") && flavour_of_library(name)) out.emplace(name);
  }
}

/// Of a section with what `code` found in it, in order.
void collect_beside(Bytes section, const device::SectionCode* code, std::set<std::string>& out) {
  std::size_t from = 0;
  if (code != nullptr)
    for (const device::Region& region : code->regions) {
      const std::size_t begin = region.offset - code->offset;
      if (begin < from || begin > section.size() || region.size > section.size() - begin) break;
      collect(as_text(section.subspan(from, begin - from)), out);
      from = begin + region.size;
    }
  collect(as_text(section.subspan(from)), out);
}

std::vector<std::string> listed(const std::set<std::string>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

std::vector<std::string> mentioned_libraries(std::string_view text) {
  std::set<std::string> names;
  collect(text, names);
  return listed(names);
}

std::vector<std::string> mentioned_libraries(const elf::File& file, const device::FileCode& code) {
  // These hold device code; what the host part opens stands in its own strings.
  constexpr std::array<std::string_view, 5> kDevice = {
      ".nv_fatbin", "__nv_relfatbin", ".cask_resource", ".hip_fatbin", ".nvFatBinSegment"};
  std::map<std::size_t, const device::SectionCode*> with_code;
  for (const device::SectionCode& section : code.sections)
    with_code.emplace(section.section_index, &section);
  std::set<std::string> names;
  for (std::size_t index = 0; index < file.sections().size(); ++index) {
    const elf::Section& section = file.sections()[index];
    if (section.type != SHT_PROGBITS || (section.flags & SHF_ALLOC) == 0 ||
        (section.flags & SHF_EXECINSTR) != 0 || section.name.starts_with(".eh_frame") ||
        section.name.starts_with(".gcc_except") ||
        std::ranges::find(kDevice, section.name) != kDevice.end())
      continue;
    const Bytes bytes = file.section_bytes(section);
    const auto found = with_code.find(index);
    collect_beside(bytes, found == with_code.end() ? nullptr : found->second, names);
  }
  return listed(names);
}

bool may_mention_libraries(std::string_view path, bool script) {
  constexpr auto kEndings =
      std::to_array<std::string_view>({".py", ".sh", ".json", ".pth", ".toml", ".yaml", ".yml",
                                       ".conf", ".cfg", ".lua", ".jl", ".R", ".pl", ".js"});
  if (!script && std::ranges::none_of(
                     kEndings, [&](std::string_view ending) { return path.ends_with(ending); }))
    return false;
  constexpr auto kForPeople = std::to_array<std::string_view>(
      {".dist-info/", ".egg-info/", "conda-meta/", "share/doc/", "var/lib/dpkg/"});
  return !is_licence_text(path) && std::ranges::none_of(kForPeople, [&](std::string_view part) {
    return path.find(part) != std::string_view::npos;
  });
}

}  // namespace flense::inventory
