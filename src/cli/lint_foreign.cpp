#include "cli/lint_foreign.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <span>

#include "base/ascii.h"
#include "lint/source/blanks.h"

namespace flense::cli {

namespace {

namespace fs = std::filesystem;

bool holds_one(const fs::path& directory, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view name) {
    std::error_code error;
    return fs::exists(directory / name, error);
  });
}

constexpr auto kLicenses = std::to_array<std::string_view>(
    {"LICENSE", "LICENSE.md", "LICENSE.txt", "LICENSE.rst", "LICENCE", "COPYING"});

/// The text of a directory's license; empty: none.
std::string license_of(const fs::path& directory) {
  constexpr std::uint64_t kMost = 1U << 20;
  for (const std::string_view name : kLicenses)
    if (std::string text = text_beside(directory / name, kMost); !text.empty()) return text;
  return {};
}

/// A license alone has many a package of a repository with several; rules for contributors stand
/// once, at the root of a project, as does what git is to ignore, beside a license that is not the
/// root's. Workflows alone come with many a tool's skeleton, which somebody made in a directory.
bool is_project(const fs::path& directory, const std::string& license) {
  // An archive of GitHub, unpacked as it is; a clone inside of this one.
  constexpr auto kClone = std::to_array<std::string_view>({".git"});
  if (ends_with_any(directory.filename().native(), {"-main", "-master"}) ||
      holds_one(directory, kClone))
    return true;
  // GitHub reads these at the root of a repository alone.
  constexpr auto kWorkflows = std::to_array<std::string_view>({".github/workflows"});
  constexpr auto kRules = std::to_array<std::string_view>(
      {"CONTRIBUTING.md", "CONTRIBUTING.rst", "CODE_OF_CONDUCT.md"});
  const bool rules = holds_one(directory, kRules);
  if (rules && holds_one(directory, kWorkflows)) return true;
  if (!holds_one(directory, kLicenses)) return false;
  constexpr auto kServices = std::to_array<std::string_view>({".github", ".circleci"});
  constexpr auto kIgnored = std::to_array<std::string_view>({".gitignore"});
  return rules || holds_one(directory, kServices) ||
         (holds_one(directory, kIgnored) && license_of(directory) != license);
}

bool is_for_others(std::string_view name) {
  return is_one_of(to_lower(name),
                   {"third_party", "third-party", "thirdparty", "3rdparty", "3rd_party", "vendor",
                    "vendors", "vendored", "external", "externals", "submodules"});
}

/// The paths of .gitmodules.
std::set<std::string> submodules_of(const fs::path& root) {
  constexpr std::uint64_t kMost = 1U << 20;
  std::set<std::string> out;
  const std::string text = text_beside(root / ".gitmodules", kMost);
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = lint::trim_space(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    const std::size_t equals = line.find('=');
    if (equals == line.npos || lint::trim_space(line.substr(0, equals)) != "path") continue;
    out.insert(
        (root / lint::trim_space(line.substr(equals + 1))).lexically_normal().generic_string());
  }
  return out;
}

/// The outermost directory above the file, and below the root, that holds another project.
class Foreign {
 public:
  explicit Foreign(fs::path root)
      : root_(std::move(root)), submodules_(submodules_of(root_)), license_(license_of(root_)) {}

  std::string above(const fs::path& file) {
    fs::path directory = root_;
    bool others = false;
    const fs::path below = file.lexically_relative(root_).parent_path();
    for (const fs::path& part : below) {
      if (part == "." || part == "..") continue;
      directory = (directory / part).lexically_normal();
      if (others || is_foreign(directory)) return directory.generic_string();
      others = is_for_others(part.native());
    }
    return {};
  }

 private:
  bool is_foreign(const fs::path& directory) {
    const std::string name = directory.generic_string();
    const auto [at, fresh] = known_.try_emplace(name, false);
    if (fresh) at->second = submodules_.contains(name) || is_project(directory, license_);
    return at->second;
  }

  fs::path root_;
  std::set<std::string> submodules_;
  std::string license_;
  std::map<std::string, bool> known_;
};

}  // namespace

std::vector<std::string> foreign_directories(const std::vector<std::string>& names,
                                             const std::vector<LintFile>& files) {
  std::set<std::string> out;
  for (const std::string& name : names) {
    std::error_code error;
    if (name == "-" || !fs::is_directory(name, error)) continue;
    const fs::path root = fs::path(name).lexically_normal();
    Foreign foreign(root);
    std::set<std::string> found;
    bool own = false;
    for (const LintFile& file : files) {
      const std::string below = file.path.lexically_relative(root).generic_string();
      if (file.named || below.empty() || below.starts_with("..")) continue;
      const std::string directory = foreign.above(file.path);
      if (directory.empty())
        own = true;
      else
        found.insert(directory);
    }
    if (own) out.merge(found);
  }
  return {out.begin(), out.end()};
}

}  // namespace flense::cli
