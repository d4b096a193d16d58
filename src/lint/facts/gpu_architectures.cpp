#include "lint/facts/gpu_architectures.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMostItems = 200;

/// "8.6", "90a", "120f", "sm_86", "compute_90": the capability as "8.6", "9.0a"; empty for others.
std::string capability_of(std::string_view text) {
  for (const std::string_view prefix : {"sm_", "compute_", "lto_"})
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  std::string suffix;
  if (text.ends_with('a') || text.ends_with('f')) {
    suffix = text.back();
    text.remove_suffix(1);
  }
  const std::size_t dot = text.find('.');
  if (dot != text.npos) {
    const std::string_view major = text.substr(0, dot), minor = text.substr(dot + 1);
    if (!all_digits(major) || !all_digits(minor) || major.size() > 2 || minor.size() > 1) return {};
    return fmt::format("{}.{}{}", major, minor, suffix);
  }
  if (!all_digits(text) || text.size() < 2 || text.size() > 3) return {};
  return fmt::format("{}.{}{}", text.substr(0, text.size() - 1), text.back(), suffix);
}

/// "86" of "8.6", "90a" of "9.0a".
std::string without_dot(std::string_view capability) {
  std::string out(capability);
  std::erase(out, '.');
  return out;
}

ListedArchitecture torch_item(std::string_view text) {
  ListedArchitecture out;
  out.text = text;
  constexpr std::string_view kPtx = "+PTX";
  const bool ptx = text.ends_with(kPtx);
  if (ptx) text.remove_suffix(kPtx.size());
  constexpr auto kNames =
      std::to_array<std::string_view>({"all", "common", "kepler", "maxwell", "pascal", "volta",
                                       "turing", "ampere", "ada", "hopper", "blackwell"});
  const std::string word = to_lower(text.substr(0, text.find('+')));
  if (std::ranges::find(kNames, std::string_view(word)) != kNames.end()) {
    out.keyword = word;
    return out;
  }
  out.architecture = capability_of(text);
  if (!out.architecture.empty() && text != out.architecture)
    out.meant = out.architecture + (ptx ? std::string(kPtx) : "");
  return out;
}

ListedArchitecture cmake_item(std::string_view text) {
  ListedArchitecture out;
  out.text = text;
  std::string_view end;
  for (const std::string_view suffix : {"-real", "-virtual"})
    if (text.ends_with(suffix)) {
      end = suffix;
      text.remove_suffix(suffix.size());
    }
  if (const std::string word = to_lower(text);
      word == "native" || word == "all" || word == "all-major" || word == "off") {
    out.keyword = word;
    return out;
  }
  out.architecture = capability_of(text);
  if (!out.architecture.empty() && text != without_dot(out.architecture))
    out.meant = without_dot(out.architecture) + std::string(end);
  return out;
}

ListedArchitecture nvcc_item(std::string_view text) {
  ListedArchitecture out;
  out.text = text;
  if (text == "native" || text == "all" || text == "all-major") {
    out.keyword = text;
    return out;
  }
  if (text.starts_with("sm_") || text.starts_with("compute_") || text.starts_with("lto_"))
    out.architecture = capability_of(text);
  return out;
}

ListedArchitecture rocm_item(std::string_view text) {
  ListedArchitecture out;
  out.text = text;
  const std::string word = to_lower(text);
  if (word == "native" || word == "all") {
    out.keyword = word;
    return out;
  }
  const std::string_view plain = text.substr(0, text.find(':'));
  if (plain.starts_with("gfx") && plain.size() >= 6) out.architecture = plain;
  return out;
}

/// Jetson's GPUs by the release of L4T that the tag names: Nano, TX2 and Xavier; Xavier and Orin;
/// Orin; Thor.
std::vector<std::string_view> of_jetson(const FileView& view, const StageView& stage) {
  for (const std::size_t one : view.dockerfile->lineage(stage.index)) {
    const auto& image = view.dockerfile->stages[one].image;
    if (!image) continue;
    const std::size_t at = image->tag.find_first_of("0123456789");
    const auto release = at == std::string::npos
                             ? std::nullopt
                             : first_number(std::string_view(image->tag).substr(at));
    if (!release) continue;
    if (*release == 32) return {"5.3", "6.2", "7.2"};
    if (*release == 34 || *release == 35) return {"7.2", "8.7"};
    if (*release >= 38) return {"11.0"};
  }
  return {"8.7"};
}

/// A torch that ends at other names than it knows: before 2.0 none after 8.6.
bool has_old_torch(const FileView& view, const StageView& stage) {
  return std::ranges::any_of(view.installs_in(stage.index), [](const Install* install) {
    return std::ranges::any_of(lists_of(*install), [](const PackageList* list) {
      const PackageRequest* torch = list->find("torch");
      return torch != nullptr && !torch->version.empty() &&
             compare_versions(torch->version, "2.0") < 0;
    });
  });
}

/// Those that clusters have first.
std::vector<std::string_view> of_servers(const FileView& view, const StageView& stage, bool old) {
  constexpr std::size_t kExamples = 2;
  std::vector<std::string_view> out;
  const Brought& cuda = stage.image.cuda;
  for (const std::string_view one : {"9.0", "8.0", "8.6", "7.5", "7.0", "6.0"}) {
    const auto* row = view.project->knowledge->architectures.find(one);
    if (row == nullptr || (old && one == "9.0")) continue;
    const std::string toolkit = major_minor(cuda.value);
    if (cuda.known() &&
        ((!row->first_cuda.empty() && compare_versions(toolkit, row->first_cuda) < 0) ||
         (!row->last_cuda.empty() && compare_versions(toolkit, row->last_cuda) > 0)))
      continue;
    out.push_back(one);
    if (out.size() == kExamples) break;
  }
  std::ranges::sort(out);
  return out;
}

std::string_view separators_of(ArchitectureSyntax syntax) {
  // Every list is also split at commas, to know what a wrong one means.
  return syntax == ArchitectureSyntax::kNvcc ? ",=[]'\" " : ";, \t";
}

}  // namespace

bool ArchitectureList::has_keyword(std::string_view word) const {
  return std::ranges::find(items, word, &ListedArchitecture::keyword) != items.end();
}

ArchitectureList read_architectures(std::string_view text, ArchitectureSyntax syntax) {
  ArchitectureList out;
  const std::string_view separators = separators_of(syntax);
  const bool comma = text.find(',') != text.npos;
  // CMake's lists use semicolons; torch also accepts blanks.
  const bool blank = text.find_first_of(" \t") != text.npos;
  if (syntax == ArchitectureSyntax::kTorch || syntax == ArchitectureSyntax::kCmake)
    out.well_spelt = !comma && !(blank && syntax == ArchitectureSyntax::kCmake);
  bool clear = true;
  while (!text.empty() && out.items.size() < kMostItems) {
    const std::size_t begin = text.find_first_not_of(separators);
    if (begin == text.npos) break;
    const std::size_t end = std::min(text.find_first_of(separators, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    text.remove_prefix(end);
    ListedArchitecture item;
    switch (syntax) {
      case ArchitectureSyntax::kTorch:
        item = torch_item(word);
        break;
      case ArchitectureSyntax::kCmake:
        item = cmake_item(word);
        break;
      case ArchitectureSyntax::kNvcc:
        item = nvcc_item(word);
        break;
      case ArchitectureSyntax::kRocm:
        item = rocm_item(word);
        break;
    }
    if (!item.meant.empty()) out.well_spelt = false;
    const bool none = item.architecture.empty() && item.keyword.empty();
    if (none && syntax != ArchitectureSyntax::kNvcc) {
      out.well_spelt = false;
      clear = false;
    }
    if (!out.corrected.empty()) out.corrected += ';';
    out.corrected += item.meant.empty() ? item.text : item.meant;
    out.items.push_back(std::move(item));
  }
  if (!clear) out.corrected.clear();
  return out;
}

std::string example_architectures(const FileView& view, const StageView& stage,
                                  ArchitectureSyntax syntax) {
  const bool torch = syntax == ArchitectureSyntax::kTorch;
  std::string out;
  for (const std::string_view one :
       stage.image.platform == "jetson"
           ? of_jetson(view, stage)
           : of_servers(view, stage, torch && has_old_torch(view, stage)))
    out += fmt::format("{}{}", out.empty() ? "" : ";", torch ? std::string(one) : without_dot(one));
  return torch ? out + "+PTX" : out;
}

bool runs_in_build(const Instruction* step) {
  return step == nullptr ||
         (step->keyword != Keyword::kCmd && step->keyword != Keyword::kEntrypoint);
}

}  // namespace flense::lint
