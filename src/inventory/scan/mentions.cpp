#include "inventory/scan/mentions.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "base/path.h"
#include "inventory/names/cuda_libraries.h"
#include "inventory/names/waste.h"

namespace flense::inventory {

namespace {

constexpr std::size_t kMostNames = 64;

bool is_name(char c) {
  return is_alphanumeric(c) || c == '_' || c == '-';
}

void collect(std::string_view text, std::set<std::string>& out) {
  // The longest of the vendor's names has 25 characters before it.
  constexpr std::size_t kLongest = 40;
  constexpr std::string_view kMark = ".so";
  for (std::size_t at = find_rare(text, kMark, 0);
       at != std::string_view::npos && out.size() < kMostNames;
       at = find_rare(text, kMark, at + kMark.size())) {
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

/// Of a section what lies beside the regions that `code` found in it, in order.
template <class Fn>
void for_each_beside(Bytes section, const device::SectionCode* code, const Fn& fn) {
  std::size_t from = 0;
  if (code != nullptr)
    for (const device::Region& region : code->regions) {
      const std::size_t begin = region.offset - code->offset;
      if (begin < from || begin > section.size() || region.size > section.size() - begin) break;
      fn(as_text(section.subspan(from, begin - from)));
      from = begin + region.size;
    }
  fn(as_text(section.subspan(from)));
}

std::vector<std::string> listed(const std::set<std::string>& names) {
  return {names.begin(), names.end()};
}

}  // namespace

std::size_t find_rare(std::string_view text, std::string_view word, std::size_t from) {
  // Whole blocks first, without branches, at the speed of memory: the tables of a library are full
  // of single dots.
  constexpr std::size_t kBlock = 256;
  const char first = word[0], second = word[1], third = word[2];
  for (; from < text.size() && text.size() - from >= kBlock + 3; from += kBlock) {
    const char* const at = text.data() + from;
    unsigned hit = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const int off = (at[i] ^ first) | (at[i + 1] ^ second) | (at[i + 2] ^ third);
      hit |= static_cast<unsigned char>(off == 0);
    }
    if (hit == 0) continue;
    const std::string_view block = text.substr(from, kBlock + word.size() - 1);
    if (const std::size_t found = block.find(word); found != std::string_view::npos)
      return from + found;
  }
  return text.find(word, from);
}

std::vector<std::string> mentioned_libraries(std::string_view text) {
  std::set<std::string> names;
  collect(text, names);
  return listed(names);
}

void for_each_data(const elf::File& file, const device::FileCode& code,
                   const std::function<void(std::string_view)>& fn) {
  // These hold device code; what the host part opens stands in its own strings.
  constexpr std::array<std::string_view, 5> kDevice = {
      ".nv_fatbin", "__nv_relfatbin", ".cask_resource", ".hip_fatbin", ".nvFatBinSegment"};
  std::map<std::size_t, const device::SectionCode*> with_code;
  for (const device::SectionCode& section : code.sections)
    with_code.emplace(section.section_index, &section);
  for (std::size_t index = 0; index < file.sections().size(); ++index) {
    const elf::Section& section = file.sections()[index];
    if (section.type != SHT_PROGBITS || (section.flags & SHF_ALLOC) == 0 ||
        (section.flags & SHF_EXECINSTR) != 0 || section.name.starts_with(".eh_frame") ||
        section.name.starts_with(".gcc_except") ||
        std::ranges::find(kDevice, section.name) != kDevice.end())
      continue;
    const Bytes bytes = file.section_bytes(section);
    const auto found = with_code.find(index);
    for_each_beside(bytes, found == with_code.end() ? nullptr : found->second, fn);
  }
}

std::vector<std::string> mentioned_pickles(std::string_view path, std::string_view text) {
  constexpr auto kLoaders = std::to_array<std::string_view>(
      {"transformers", "diffusers", "peft", "accelerate", "huggingface_hub", "safetensors",
       "sentence_transformers", "optimum", "timm", "onnxruntime"});
  const bool loader = std::ranges::any_of(kLoaders, [&](std::string_view name) {
    return path.find(fmt::format("-packages/{}/", name)) != std::string_view::npos;
  });
  std::vector<std::string> out;
  if (loader || path.ends_with(".bin.index.json")) return out;
  for (const std::string_view stem : {"pytorch_model", "adapter_model"}) {
    // Also "pytorch_model-00001-of-00002.bin" and names that are put together.
    const std::size_t at = text.find(stem);
    if (at != std::string_view::npos && text.find(".bin", at) != std::string_view::npos)
      out.push_back(fmt::format("{}.bin", stem));
  }
  return out;
}

std::vector<std::string> mentioned_libraries(const elf::File& file, const device::FileCode& code) {
  std::set<std::string> names;
  for_each_data(file, code, [&](std::string_view text) { collect(text, names); });
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
