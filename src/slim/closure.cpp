#include "slim/closure.h"

#include <algorithm>
#include <string_view>

#include "base/format.h"
#include "base/path.h"

namespace flense::slim {

namespace {

/// Splits at ':' and expands $ORIGIN, as image paths. Empty elements mean the current directory of
/// the process, which nobody can know here; they are left out.
std::vector<std::string> expand_path_list(std::string_view list, std::string_view origin) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const std::size_t colon = list.find(':');
    std::string item(list.substr(0, colon));
    list = colon == std::string_view::npos ? std::string_view{} : list.substr(colon + 1);
    if (item.empty()) continue;
    for (const std::string_view token :
         {std::string_view("${ORIGIN}"), std::string_view("$ORIGIN")}) {
      std::size_t at = 0;
      while ((at = item.find(token, at)) != std::string::npos) {
        const std::string absolute = fmt::format("/{}", origin);
        item.replace(at, token.size(), absolute);
        at += absolute.size();
      }
    }
    out.push_back(resolve_link_text("", item));
  }
  return out;
}

}  // namespace

std::vector<std::string> library_candidates(const LinkFacts& file, const std::string& soname,
                                            const ClosureInput& input) {
  const std::string_view origin = parent_path(file.path);
  if (soname.find('/') != std::string::npos) return {resolve_link_text(origin, soname)};
  std::vector<std::string> directories;
  const auto append = [&](const std::vector<std::string>& more) {
    directories.insert(directories.end(), more.begin(), more.end());
  };
  if (file.runpath.empty()) append(expand_path_list(file.rpath, origin));
  append(input.library_path);
  append(expand_path_list(file.runpath, origin));
  append(input.system_directories);
  std::vector<std::string> out;
  out.reserve(directories.size());
  for (const std::string& directory : directories)
    out.push_back(directory.empty() ? soname : fmt::format("{}/{}", directory, soname));
  return out;
}

std::vector<std::string> broken_links(const ClosureInput& input, const Exists& before,
                                      const Exists& after) {
  std::vector<std::string> broken;
  for (const LinkFacts& file : input.files) {
    if (!after(file.path)) continue;
    if (!file.interpreter.empty()) {
      const std::string path = resolve_link_text("", file.interpreter);
      if (before(path) && !after(path))
        broken.push_back(fmt::format("{} needs the interpreter /{}", file.path, path));
    }
    for (const std::string& soname : file.needed) {
      const std::vector<std::string> candidates = library_candidates(file, soname, input);
      const bool was = std::ranges::any_of(candidates, before);
      if (was && std::ranges::none_of(candidates, after))
        broken.push_back(fmt::format("{} needs {}", file.path, soname));
    }
  }
  for (const std::string& path : input.must_exist)
    if (before(path) && !after(path))
      broken.push_back(fmt::format("the image starts with /{}", path));
  return broken;
}

}  // namespace flense::slim
