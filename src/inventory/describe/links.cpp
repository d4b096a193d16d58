#include "inventory/describe/links.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "base/path.h"

namespace flense::inventory {

namespace {

/// Splits at ':' and expands $ORIGIN, as image paths. Empty elements mean the current directory of
/// the process, which nobody can know here; they are left out.
std::vector<std::string> expand_path_list(std::string_view list, std::string_view origin) {
  // No kernel opens a longer path. Many short words of a hostile list would expand to gigabytes.
  constexpr std::size_t kMostPath = 4096, kMostDirectories = 1000;
  std::vector<std::string> out;
  while (!list.empty() && out.size() < kMostDirectories) {
    const std::size_t colon = list.find(':');
    std::string item(list.substr(0, colon));
    list = colon == std::string_view::npos ? std::string_view{} : list.substr(colon + 1);
    if (item.empty()) continue;
    for (const std::string_view token :
         {std::string_view("${ORIGIN}"), std::string_view("$ORIGIN")}) {
      std::size_t at = 0;
      while (item.size() <= kMostPath && (at = item.find(token, at)) != std::string::npos) {
        const std::string absolute = fmt::format("/{}", origin);
        item.replace(at, token.size(), absolute);
        at += absolute.size();
      }
    }
    if (item.size() <= kMostPath) out.push_back(resolve_link_text("", item));
  }
  return out;
}

/// The next word of `text`, which loses it.
std::string_view take_word(std::string_view& text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t\r"), text.size());
  text.remove_prefix(begin);
  const std::string_view word = text.substr(0, text.find_first_of(" \t\r"));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

// execve(2), "Interpreter scripts": the interpreter is one word, the rest is one argument. env(1)
// splits that argument itself with -S.
Interpreter parse_interpreter(std::string_view first_line) {
  Interpreter out;
  std::string_view rest = first_line.substr(0, first_line.find('\0'));
  const std::string_view path = take_word(rest);
  // A relative one depends on where the script is started.
  if (!path.starts_with('/')) return out;
  out.path = resolve_link_text("", path);
  if (base_name(out.path) != "env") return out;
  bool unset = false;
  while (true) {
    std::string_view word = take_word(rest);
    if (word.empty()) return out;
    if (word.starts_with("-S")) word.remove_prefix(2);
    if (word.starts_with("--split-string=")) word.remove_prefix(15);
    if (word == "-u" || word == "-C") {
      unset = true;
      continue;
    }
    const bool argument = std::exchange(unset, false);
    if (argument || word.empty() || word.starts_with('-') ||
        word.find('=') != std::string_view::npos)
      continue;
    out.program = word;
    return out;
  }
}

std::vector<std::string> library_candidates(const LinkFacts& file, const std::string& soname,
                                            const LibraryPaths& paths) {
  const std::string_view origin = parent_path(file.path);
  if (soname.find('/') != std::string::npos) return {resolve_link_text(origin, soname)};
  std::vector<std::string> directories;
  const auto append = [&](const std::vector<std::string>& more) {
    directories.insert(directories.end(), more.begin(), more.end());
  };
  if (file.runpath.empty()) append(expand_path_list(file.rpath, origin));
  append(paths.environment);
  append(expand_path_list(file.runpath, origin));
  append(paths.system);
  std::vector<std::string> out;
  out.reserve(directories.size());
  for (const std::string& directory : directories)
    out.push_back(directory.empty() ? soname : fmt::format("{}/{}", directory, soname));
  return out;
}

}  // namespace flense::inventory
