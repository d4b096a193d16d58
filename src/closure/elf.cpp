#include <elf.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/bytes.h"
#include "base/path.h"
#include "closure/facts.h"
#include "closure/places.h"
#include "elf/dynamic_symbols.h"
#include "elf/file.h"

namespace flense::closure {

namespace {

constexpr std::size_t kMostReachNames = 20'000;

bool in_file_name(char c) {
  return is_alphanumeric(c) || c == '_' || c == '-' || c == '+' || c == '.';
}

/// What a path consists of that a program names: no blanks, no marks of formats and lists.
bool in_plain_path(char c) {
  return in_file_name(c) || c == '/' || c == '@' || c == '=' || c == ',' || c == '~';
}

class DataNames {
 public:
  DataNames(const image::MergedTree& tree, const ReachVocabulary& vocabulary)
      : tree_(tree), vocabulary_(vocabulary) {}

  void collect(std::string_view data) {
    libraries(data);
    paths(data);
  }
  std::vector<std::string> take() { return {names_.begin(), names_.end()}; }

 private:
  /// "libfoo.so.1", "engine.so", wherever ".so" stands.
  void libraries(std::string_view data) {
    constexpr std::string_view kMark = ".so";
    constexpr std::size_t kLongest = 200;
    for (std::size_t at = data.find(kMark); at != std::string_view::npos && !full();
         at = data.find(kMark, at + kMark.size())) {
      std::size_t begin = at, end = at + kMark.size();
      while (begin > 0 && at - begin < kLongest && in_file_name(data[begin - 1])) --begin;
      while (end < data.size() && end - at < kLongest && in_file_name(data[end])) ++end;
      std::string_view name = data.substr(begin, end - begin);
      while (name.ends_with('.')) name.remove_suffix(1);
      if (vocabulary_.libraries.contains(name)) names_.emplace(name);
    }
  }

  void paths(std::string_view data) {
    constexpr std::size_t kShortest = 5, kLongest = 1024;
    for (std::size_t at = data.find('/'); at != std::string_view::npos && !full();
         at = data.find('/', at + 1)) {
      if (at > 0 && (in_file_name(data[at - 1]) || data[at - 1] == '/')) continue;
      std::size_t end = at + 1;
      while (end < data.size() && end - at < kLongest && in_plain_path(data[end])) ++end;
      const std::string_view path = data.substr(at, end - at);
      if (path.size() >= kShortest) add_path(path);
    }
  }

  void add_path(std::string_view path) {
    const std::string_view inner = path.substr(1);
    if (!vocabulary_.roots.contains(inner.substr(0, inner.find('/')))) return;
    const std::string found = existing_beginning(tree_, path);
    // "/usr" or "/etc" alone tell nothing.
    if (found.find('/') == std::string::npos) return;
    // As it is named, so that the links on the way are seen.
    const bool whole = tree_.resolve(inner) == found;
    names_.insert("/" + (whole ? std::string(inner) : found));
  }

  bool full() const { return names_.size() >= kMostReachNames; }

  const image::MergedTree& tree_;
  const ReachVocabulary& vocabulary_;
  std::set<std::string> names_;
};

bool holds_names(const elf::Section& section) {
  constexpr std::array<std::string_view, 4> kDeviceCode = {".nv_fatbin", "__nv_relfatbin",
                                                           ".hip_fatbin", ".nvFatBinSegment"};
  return section.type == SHT_PROGBITS && (section.flags & SHF_ALLOC) != 0 &&
         (section.flags & SHF_EXECINSTR) == 0 && !section.name.starts_with(".eh_frame") &&
         !section.name.starts_with(".gcc_except") &&
         std::ranges::find(kDeviceCode, section.name) == kDeviceCode.end();
}

std::vector<std::string> imported_calls(const elf::File& file,
                                        const std::set<std::string, std::less<>>& calls) {
  std::set<std::string> out;
  elf::for_each_dynamic_symbol(file, [&](const elf::DynamicSymbol& symbol) {
    if (!symbol.defined && calls.contains(symbol.name)) out.emplace(symbol.name);
  });
  return {out.begin(), out.end()};
}

}  // namespace

ReachElf read_reach_elf(Bytes bytes, const image::MergedTree& tree,
                        const ReachVocabulary& vocabulary,
                        const std::set<std::string, std::less<>>& calls) {
  const Result<elf::File> file = elf::File::parse(bytes, "");
  if (!file) return {};
  DataNames names(tree, vocabulary);
  if (file->sections().empty()) {
    // sstrip and some packers leave segments alone.
    names.collect(as_text(bytes));
  }
  for (const elf::Section& section : file->sections())
    if (holds_names(section)) names.collect(as_text(file->section_bytes(section)));
  return {names.take(), imported_calls(*file, calls)};
}

}  // namespace flense::closure
