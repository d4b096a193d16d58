#include "closure/places.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/path.h"

namespace flense::closure {

namespace {

/// Where the component that begins at `at` ends.
std::size_t component_end(std::string_view path, std::size_t at) {
  return std::min(path.find('/', at), path.size());
}

}  // namespace

bool is_software_place(std::string_view path) {
  static constexpr auto kPlaces = std::to_array<std::string_view>(
      {"usr", "opt", "bin", "sbin", "lib", "lib32", "lib64", "libx32"});
  return std::ranges::find(kPlaces, path.substr(0, path.find('/'))) != kPlaces.end();
}

bool is_common_directory(const image::MergedTree& tree, std::string_view directory) {
  static constexpr auto kShared = std::to_array<std::string_view>({"usr/share/locale",
                                                                   "usr/share/doc",
                                                                   "usr/share/man",
                                                                   "usr/share/info",
                                                                   "usr/share/licenses",
                                                                   "usr/share/bash-completion",
                                                                   "usr/share/applications",
                                                                   "usr/share/pkgconfig",
                                                                   "usr/lib/pkgconfig",
                                                                   "usr/lib/debug",
                                                                   "usr/src",
                                                                   "usr/include",
                                                                   "usr/libexec",
                                                                   "var/lib",
                                                                   "var/cache",
                                                                   "var/log",
                                                                   "usr/local/share",
                                                                   "usr/local/lib",
                                                                   "usr/local/etc",
                                                                   "usr/lib/systemd",
                                                                   "usr/lib/udev"});
  // "/usr/share", "/etc/app": the first two components are nobody's own below /usr.
  const auto depth = std::ranges::count(directory, '/');
  if (directory.empty() || depth == 0) return true;
  if (depth == 1 && (directory.starts_with("usr/") || directory.starts_with("var/"))) return true;
  if (std::ranges::find(kShared, directory) != kShared.end()) return true;
  const std::string_view name = base_name(directory);
  static constexpr auto kNames = std::to_array<std::string_view>(
      {"bin", "sbin", "lib", "lib64", "lib32", "libexec", "share", "include", "site-packages",
       "dist-packages", "x86_64-linux-gnu", "aarch64-linux-gnu", "stubs", "pkgconfig", "cmake"});
  if (std::ranges::find(kNames, name) != kNames.end()) return true;
  if (directory == python_library(std::string(directory) + "/x")) return true;
  for (const std::string& inner : tree.list(directory))
    if (inner == "bin" || inner == "lib" || inner == "lib64" || inner == "conda-meta") return true;
  return false;
}

std::string existing_beginning(const image::MergedTree& tree, std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  // No kernel opens a longer path.
  path = path.substr(0, 4096);
  std::string out;
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t end = component_end(path, at);
    const auto real = tree.resolve(path.substr(0, end));
    if (!real || !tree.find(*real)) break;
    out = *real;
    at = end + 1;
  }
  return out;
}

std::string_view python_library(std::string_view path) {
  constexpr std::string_view kMark = "lib/python";
  for (std::size_t at = path.find("lib"); at != std::string_view::npos;
       at = path.find("lib", at + 1)) {
    if (at > 0 && path[at - 1] != '/') continue;
    std::size_t name = at + 3;
    if (path.substr(name).starts_with("64")) name += 2;
    if (!path.substr(name).starts_with(kMark.substr(3))) continue;
    const std::size_t digits = name + kMark.size() - 3;
    const std::size_t end = component_end(path, digits);
    const std::string_view version = path.substr(digits, end - digits);
    if (end == path.size() || version.empty() || !is_digit(version.front())) continue;
    return path.substr(0, end);
  }
  return {};
}

std::string_view python_site(std::string_view path) {
  for (const std::string_view mark : {"site-packages/", "dist-packages/"}) {
    const std::size_t at = path.find(mark);
    if (at != std::string_view::npos && (at == 0 || path[at - 1] == '/'))
      return path.substr(0, at + mark.size() - 1);
  }
  return {};
}

std::string_view module_of_file(std::string_view name) {
  return name.substr(0, name.find('.'));
}

std::string source_of_compiled(std::string_view path) {
  const std::string_view folder = parent_path(path);
  if (base_name(folder) != "__pycache__") return {};
  return fmt::format("{}/{}.py", parent_path(folder), module_of_file(base_name(path)));
}

ScriptLanguage script_language(std::string_view program) {
  static constexpr auto kShells = std::to_array<std::string_view>(
      {"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"});
  if (program.empty()) return ScriptLanguage::kNone;
  if (program.starts_with("python") || program.starts_with("pypy")) return ScriptLanguage::kPython;
  if (std::ranges::find(kShells, program) != kShells.end()) return ScriptLanguage::kShell;
  return ScriptLanguage::kOther;
}

std::string_view script_program(const inventory::Interpreter& interpreter) {
  return base_name(interpreter.program.empty() ? std::string_view(interpreter.path)
                                               : std::string_view(interpreter.program));
}

}  // namespace flense::closure
