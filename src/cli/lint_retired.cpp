#include "cli/lint_retired.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "base/ascii.h"

namespace flense::cli {

namespace {

namespace fs = std::filesystem;

/// A line of a README that speaks of its own directory, in lower case.
bool says_retired(std::string_view line) {
  const std::size_t self = line.find("this ");
  if (self == line.npos) return false;
  const std::string_view rest = line.substr(self);
  if (!rest.contains("directory") && !rest.contains("folder")) return false;
  constexpr auto kWords = std::to_array<std::string_view>(
      {"kept only for", "kept for reference", "kept for historical", "for historical context",
       "for historical reference", "archived reference", "no longer used", "no longer maintained",
       "not maintained", "is deprecated", "contains deprecated", "is obsolete"});
  return std::ranges::any_of(kWords, [&](std::string_view one) { return rest.contains(one); });
}

bool is_retired(const fs::path& directory) {
  constexpr std::uint64_t kMost = 1U << 16;
  for (const std::string_view name : {"README.md", "README", "README.rst", "README.txt"}) {
    const std::string text = text_beside(directory / name, kMost);
    for (std::string_view rest = text; !rest.empty();)
      if (says_retired(to_lower(take_line(rest)))) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> retired_directories(const std::vector<std::string>& names,
                                             const std::vector<LintFile>& files) {
  std::set<std::string> seen, out;
  for (const std::string& name : names) {
    std::error_code error;
    if (name == "-" || !fs::is_directory(name, error)) continue;
    const fs::path root = fs::path(name).lexically_normal();
    for (const LintFile& file : files) {
      const fs::path below = file.path.lexically_relative(root).parent_path();
      fs::path directory = root;
      for (const fs::path& part : below) {
        if (part == ".." || part == ".") break;
        directory = (directory / part).lexically_normal();
        const std::string path = directory.generic_string();
        if (seen.insert(path).second && is_retired(directory)) out.insert(path);
      }
    }
  }
  return {out.begin(), out.end()};
}

}  // namespace flense::cli
