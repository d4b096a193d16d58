#include "closure/python_sources.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/ascii.h"
#include "base/path.h"

namespace flense::closure {

namespace {

constexpr std::string_view kDebianPackages = "usr/lib/python3/dist-packages/";
constexpr std::string_view kDebianPython = "usr/bin/python3";

/// "python3.11", "python3.13t".
bool is_python_version(std::string_view name) {
  constexpr std::string_view kMajor = "python3.";
  if (!name.starts_with(kMajor)) return false;
  name.remove_prefix(kMajor.size());
  if (name.ends_with('t')) name.remove_suffix(1);
  return all_digits(name);
}

/// The version whose lib directory holds `path`; the innermost, for trees that carry another one.
std::string_view version_of(std::string_view path) {
  for (std::string_view above = parent_path(path); !above.empty(); above = parent_path(above)) {
    const std::string_view library = base_name(parent_path(above));
    if (is_python_version(base_name(above)) && (library == "lib" || library == "lib64"))
      return base_name(above);
  }
  return {};
}

/// Programs of the name that a version has, the best first: one that is no virtual environment's
/// link, near the root.
class Interpreters {
 public:
  void add(const std::string& path, const image::MergedTree& tree) {
    const std::string_view name = base_name(path);
    if (!is_python_version(name) || base_name(parent_path(path)) != "bin") return;
    const auto real = tree.resolve(path);
    if (!real) return;
    const auto found = tree.find(*real);
    if (!found || !found->content || found->type != codec::MemberType::kFile) return;
    if ((tree.entry(*found->content).mode & 0111) == 0) return;
    std::string& best = best_[std::string(name)];
    const auto rank = [](const std::string& one) { return std::tuple(one.size(), one); };
    if (best.empty() || rank(*real) < rank(best)) best = *real;
  }

  std::string of(const std::string& version) const {
    const auto found = best_.find(version);
    return found == best_.end() ? std::string() : found->second;
  }

 private:
  std::map<std::string, std::string> best_;
};

std::optional<PythonSource> source_at(const std::string& path,
                                      const image::MergedTree::Found& found,
                                      const image::MergedTree& tree) {
  auto content = found.content;
  if (found.type == codec::MemberType::kSymlink) {
    const auto real = tree.resolve(path);
    const auto target = real ? tree.find(*real) : std::nullopt;
    content = target ? target->content : std::nullopt;
  }
  if (!content) return std::nullopt;
  const image::LayerListing::Entry entry = tree.entry(*content);
  if (entry.type != codec::MemberType::kFile) return std::nullopt;
  return PythonSource{path, entry.size, entry.mtime};
}

}  // namespace

std::vector<PythonSources> find_python_sources(const image::MergedTree& tree) {
  std::string debian;
  if (const auto real = tree.resolve(kDebianPython))
    if (is_python_version(base_name(*real))) debian = base_name(*real);
  Interpreters interpreters;
  std::map<std::string, std::vector<PythonSource>> files;
  // The callback cannot fail, so neither can the walk.
  static_cast<void>(tree.for_each(
      [&](const std::string& path, const image::MergedTree::Found& found) -> Result<void> {
        interpreters.add(path, tree);
        if (!path.ends_with(".py") || path.find('\n') != std::string::npos) return {};
        // A link is imported by its own name, and compiled under it.
        const auto source = source_at(path, found, tree);
        if (!source) return {};
        std::string version(version_of(path));
        if (version.empty() && path.starts_with(kDebianPackages)) version = debian;
        if (!version.empty()) files[version].push_back(*source);
        return {};
      }));
  std::vector<PythonSources> out;
  for (auto& [version, sources] : files)
    out.push_back({version, interpreters.of(version), std::move(sources)});
  return out;
}

std::string compiled_path(std::string_view source, std::string_view tag, unsigned optimisation) {
  const std::string_view directory = parent_path(source);
  std::string_view stem = base_name(source);
  if (stem.ends_with(".py")) stem.remove_suffix(3);
  std::string out(directory);
  if (!out.empty()) out += '/';
  out += fmt::format("__pycache__/{}.{}", stem, tag);
  if (optimisation > 0) out += fmt::format(".opt-{}", optimisation);
  return out + ".pyc";
}

}  // namespace flense::closure
