#include "inventory/describe/survey.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/ascii.h"
#include "base/path.h"
#include "inventory/describe/start.h"
#include "inventory/names/file_names.h"

namespace flense::inventory {

namespace {

/// Most programs of the image are for its machine; what the manifest says of it wins.
std::uint16_t machine_of(const image::Image& image, const std::vector<SurveyFile>& files) {
  if (image.platform.architecture == "amd64") return EM_X86_64;
  if (image.platform.architecture == "arm64") return EM_AARCH64;
  std::map<std::uint16_t, std::size_t> counts;
  for (const SurveyFile& file : files)
    if (file.elf != nullptr && (file.elf->type == ET_DYN || file.elf->type == ET_EXEC))
      ++counts[file.elf->machine];
  std::pair<std::uint16_t, std::size_t> most{0, 0};
  for (const auto& [machine, count] : counts)
    if (count > most.second) most = {machine, count};
  return most.first;
}

/// Directories of one file of ldconfig(8); "include" is the caller's business.
void add_directories(std::string_view text, std::vector<std::string>& out) {
  constexpr std::size_t kMostDirectories = 1000;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, std::min(end, text.find('#')));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with("include") || line.starts_with("hwcap")) continue;
    while (!line.empty()) {
      constexpr std::string_view kBetween = " \t\r:,";
      const std::size_t begin = std::min(line.find_first_not_of(kBetween), line.size());
      line.remove_prefix(begin);
      std::string_view word = line.substr(0, line.find_first_of(kBetween));
      line.remove_prefix(word.size());
      word = word.substr(0, word.find('='));  // "/lib=libc6"
      if (word.starts_with('/') && out.size() < kMostDirectories)
        out.push_back(resolve_link_text("", word));
    }
  }
}

}  // namespace

std::optional<std::string> Survey::resolve(std::string_view path) const {
  auto real = contents.tree().resolve(path);
  if (!real) return std::nullopt;
  const auto found = contents.tree().find(*real);
  if (!found || !found->content || found->type == codec::MemberType::kDirectory)
    return std::nullopt;
  return real;
}

const ElfFacts* Survey::elf_at(std::string_view path) const {
  const auto real = resolve(path);
  if (!real) return nullptr;
  return contents.elf(*contents.tree().find(*real)->content);
}

std::string_view Survey::text_at(std::string_view path) const {
  const auto real = resolve(path);
  if (!real) return {};
  const image::EntryRef ref = *contents.tree().find(*real)->content;
  const auto& texts = contents.scan(ref).texts;
  const auto at = texts.find(ref.index);
  return at == texts.end() ? std::string_view{} : std::string_view(at->second);
}

bool Survey::has_library(std::string_view name) const {
  if (!name.ends_with('*')) return libraries.contains(name) || sonames.contains(name);
  name.remove_suffix(1);
  const auto file = libraries.lower_bound(name);
  if (file != libraries.end() && file->starts_with(name)) return true;
  const auto soname = sonames.lower_bound(name);
  return soname != sonames.end() && soname->first.starts_with(name);
}

Survey survey(const image::Image& image, const Contents& contents) {
  Survey out{image, contents, environment(image), library_paths(image), {}, 0, {}, {}, {}};
  contents.for_each_file([&](const VisibleFile& file) {
    const ElfFacts* elf = contents.elf(file.content);
    if (file.first &&
        (elf != nullptr || is_driver_library(base_name(file.path)) || is_weights_file(file.path)))
      out.files.push_back({std::string(file.path), file.size, elf});
  });
  out.machine = machine_of(image, out.files);
  // The loader passes over files for another processor.
  const auto loads = [&](const ElfFacts* elf) {
    return elf == nullptr || elf->machine == out.machine;
  };
  contents.for_each_file([&](const VisibleFile& file) {
    const std::string_view name = base_name(file.path);
    const ElfFacts* elf = contents.elf(file.content);
    if (!loads(elf) || has_component(parent_path(file.path), "stubs")) return;
    if (name.find(".so") != std::string_view::npos) out.libraries.emplace(name);
    if (elf != nullptr && !elf->soname.empty()) out.sonames[elf->soname].emplace(name);
  });
  // The visitor never fails.
  static_cast<void>(contents.tree().for_each(
      [&](const std::string& path, const image::MergedTree::Found& found) -> Result<void> {
        const std::string_view name = base_name(path);
        if (found.type != codec::MemberType::kSymlink || name.find(".so") == std::string_view::npos)
          return {};
        const auto target = out.resolve(path);
        if (target && !has_component(*target, "stubs") && loads(out.elf_at(*target)))
          out.libraries.emplace(name);
        return {};
      }));

  std::vector<std::string>& configured = out.configured;
  add_directories(out.text_at("etc/ld.so.conf"), configured);
  for (const std::string& name : contents.tree().list("etc/ld.so.conf.d"))
    if (name.ends_with(".conf"))
      add_directories(out.text_at("etc/ld.so.conf.d/" + name), configured);
  out.paths.system.insert(out.paths.system.begin(), configured.begin(), configured.end());
  return out;
}

}  // namespace flense::inventory
