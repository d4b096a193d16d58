#include "cli/lint_files.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "base/file.h"
#include "base/format.h"
#include "base/parallel.h"
#include "lint/readers/readers.h"

namespace flense::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFiles = 200'000;
constexpr int kMaxDepth = 64;

bool left_out(const fs::path& directory) {
  constexpr std::array<std::string_view, 8> kNames = {".git",        "node_modules", "__pycache__",
                                                      ".venv",       "venv",         ".tox",
                                                      ".mypy_cache", "site-packages"};
  const std::string name = directory.filename();
  return std::ranges::find(kNames, name) != kNames.end();
}

/// ".env" and its like.
bool holds_variables(const fs::path& path) {
  const std::string name = path.filename();
  return name.starts_with(".env") || name.ends_with(".env");
}

/// By the name alone: what is worth reading.
bool may_be_known(const fs::path& path) {
  // .pre-commit-hooks.yaml has the same list.
  constexpr auto kEndings = std::to_array<std::string_view>(
      {".yaml",   ".yml",   ".json", ".hcl", ".txt",  ".in",      ".toml",     ".lock",
       ".def",    ".sh",    ".bash", ".pbs", ".lsf",  ".job",     ".sub",      ".qsub",
       ".sbatch", ".slurm", ".mk",   ".pod", ".kube", ".service", ".container"});
  const std::string name = path.filename(), ending = path.extension();
  return std::ranges::find(kEndings, ending) != kEndings.end() ||
         name.find("ockerfile") != std::string::npos ||
         name.find("ontainerfile") != std::string::npos || name.ends_with(".dockerignore") ||
         name.ends_with(".containerignore") || name == "Singularity" ||
         name.starts_with("Singularity.") || name == "Apptainer" ||
         name.starts_with("Apptainer.") || name.starts_with("Apptainerfile") ||
         name.ends_with(".yaml.j2") || name.ends_with(".yml.j2") || name == "Makefile" ||
         name == "makefile" || name == "GNUmakefile" || name == "pip.conf" || holds_variables(path);
}

Result<lint::Input> read_input(const LintFile& file) {
  TRY(std::string text, read_file(file.path, kMaxFile));
  return lint::Input{file.path.generic_string(), std::move(text), file.project_path};
}

/// The root of the repository around a path; empty: none.
fs::path repository_around(const fs::path& path) {
  std::error_code ignored;
  for (fs::path root = fs::absolute(path, ignored).lexically_normal(); !root.empty();
       root = root.parent_path()) {
    if (fs::exists(root / ".git", ignored)) return root;
    if (root == root.root_path()) break;
  }
  return {};
}

/// Of a file that was named by itself, from the root of its repository; its name where it is in
/// none.
std::string path_in_repository(const fs::path& path) {
  std::error_code ignored;
  const fs::path whole = fs::absolute(path, ignored).lexically_normal();
  const fs::path root = repository_around(whole.parent_path());
  return (root.empty() ? path.filename() : whole.lexically_relative(root)).generic_string();
}

/// A link may be anybody's: what it leads to is read where it lies in the repository around the
/// directory, or else in the directory.
bool leads_out(const fs::path& link, const fs::path& directory) {
  std::error_code error;
  const fs::path around = repository_around(directory);
  const fs::path root = fs::canonical(around.empty() ? directory : around, error);
  const fs::path target = error ? fs::path() : fs::canonical(link, error);
  const fs::path below = target.lexically_relative(root);
  return error || below.empty() || *below.begin() == "..";
}

/// What everybody has who has the repository around a directory: the files that git's index names.
/// Of another directory all files.
class Published {
 public:
  explicit Published(const fs::path& directory) : root_(repository_around(directory)) {}

  bool contains(const fs::path& file) {
    if (root_.empty()) return true;
    constexpr std::uint64_t kMost = 64U << 20;
    if (!index_) index_ = read_file(root_ / ".git" / "index", kMost).value_or("");
    std::error_code ignored;
    const std::string path =
        fs::absolute(file, ignored).lexically_normal().lexically_relative(root_).generic_string();
    // An entry ends with the low byte of the name's length, the name and a zero. Version 4 of the
    // index shortens names: there no file is known.
    std::string entry(1, static_cast<char>(path.size() & 0xffU));
    entry.append(path).push_back('\0');
    return index_->contains(entry);
  }

 private:
  fs::path root_;
  std::optional<std::string> index_;
};

Result<void> list_directory(const fs::path& directory, std::vector<LintFile>& out) {
  // What is closed further down is passed over, but not what was named.
  TRY_DO(open_read(directory));
  std::error_code error;
  Published published(directory);
  auto at = fs::recursive_directory_iterator(directory,
                                             fs::directory_options::skip_permission_denied, error);
  if (error) return system_error(error.value(), "cannot list " + directory.string());
  for (std::size_t seen = 0; at != fs::recursive_directory_iterator(); at.increment(error)) {
    if (error) return system_error(error.value(), "cannot list " + directory.string());
    if (++seen > kMaxFiles)
      return bad_input("{} holds more than {} files", directory.string(), kMaxFiles)
          .hint("name the files, or a directory further down");
    std::error_code ignored;
    if (at->is_directory(ignored) && (left_out(at->path()) || at.depth() >= kMaxDepth)) {
      at.disable_recursion_pending();
      continue;
    }
    if (!at->is_regular_file(ignored) || !may_be_known(at->path())) continue;
    if (at->is_symlink(ignored) && leads_out(at->path(), directory)) continue;
    if (at->file_size(ignored) > kMaxFile) continue;
    // A developer's own variables are nobody else's.
    if (holds_variables(at->path()) && !published.contains(at->path())) continue;
    fs::path path = at->path().lexically_normal();
    std::string below = path.lexically_relative(directory).generic_string();
    out.push_back({std::move(path), false, at->is_symlink(ignored), std::move(below)});
  }
  return {};
}

}  // namespace

Result<std::vector<LintFile>> lint_files(const std::vector<std::string>& names) {
  std::vector<LintFile> out;
  for (const std::string& name : names) {
    std::error_code error;
    if (name != "-" && fs::is_directory(name, error))
      TRY_DO(list_directory(fs::path(name).lexically_normal(), out));
    else
      out.push_back({name, true, false, path_in_repository(name)});
  }
  return out;
}

std::vector<std::string> links_among(const std::vector<LintFile>& files) {
  std::map<fs::path, std::vector<std::string>> links;  // by what they lead to
  std::set<fs::path> names;
  std::error_code error;
  for (const LintFile& file : files) {
    if (!file.link) continue;
    const fs::path target = fs::canonical(file.path, error);
    if (error) continue;
    names.insert(target.filename());
    links[target].push_back(lint::normal_path(file.path.generic_string()));
  }
  std::vector<std::string> out;
  for (const LintFile& file : files) {
    if (file.link || !names.contains(file.path.filename())) continue;
    const auto at = links.find(fs::canonical(file.path, error));
    if (error || at == links.end()) continue;
    out.insert(out.end(), at->second.begin(), at->second.end());
    links.erase(at);
  }
  return out;
}

Result<std::vector<lint::Input>> lint_inputs(const std::vector<LintFile>& files) {
  std::vector<std::optional<Result<lint::Input>>> read(files.size());
  parallel_for(files.size(), [&](std::size_t at) {
    const LintFile& file = files[at];
    if (file.path == "-") return;
    auto input = read_input(file);
    if (file.named ||
        (input && lint::kind_of(input->path, input->text) != lint::FileKind::kUnknown))
      read[at] = std::move(input);
  });
  std::vector<lint::Input> out;
  for (std::size_t at = 0; at < files.size(); ++at) {
    if (files[at].path == "-") {
      FdSource source(STDIN_FILENO, "standard input");
      TRY(std::string text, read_all(source, kMaxFile, "standard input"));
      out.push_back({"-", std::move(text)});
      continue;
    }
    if (!read[at]) continue;
    TRY(lint::Input input,
        with_context(std::move(*read[at]), "reading {}", files[at].path.native()));
    out.push_back(std::move(input));
  }
  return out;
}

std::string text_beside(const fs::path& file, std::uint64_t most) {
  std::error_code error;
  if (!fs::is_regular_file(file, error) ||
      (fs::is_symlink(file, error) && leads_out(file, file.parent_path())))
    return {};
  return read_file(file, most).value_or("");
}

namespace {

lint::Context list_context(const std::string& directory) {
  lint::Context context;
  context.directory = directory;
  std::error_code error;
  auto at = fs::recursive_directory_iterator(directory,
                                             fs::directory_options::skip_permission_denied, error);
  while (!error && at != fs::recursive_directory_iterator()) {
    std::error_code ignored;
    if (context.files.size() >= kMaxFiles || at.depth() >= kMaxDepth) {
      context.complete = false;
      break;
    }
    if (at->is_regular_file(ignored) && !at->is_symlink(ignored)) {
      const auto bytes = at->file_size(ignored);
      context.files.push_back({at->path().lexically_relative(directory).generic_string(),
                               ignored ? 0 : std::uint64_t{bytes}});
    }
    at.increment(error);
  }
  if (error) context.complete = false;
  std::ranges::sort(context.files, {}, &lint::ContextFile::path);
  return context;
}

/// What lies in a directory further down; nothing for one that a link leads to.
std::vector<lint::ContextFile> files_below(const lint::Context& above, std::string_view directory) {
  const std::string prefix =
      std::string(directory.substr(above.directory == "." ? 0 : above.directory.size() + 1)) + "/";
  std::vector<lint::ContextFile> out;
  for (auto at = std::ranges::lower_bound(above.files, prefix, {}, &lint::ContextFile::path);
       at != above.files.end() && at->path.starts_with(prefix); ++at)
    out.push_back({at->path.substr(prefix.size()), at->bytes});
  return out;
}

}  // namespace

std::vector<lint::Context> list_contexts(const std::vector<std::string>& directories) {
  std::vector<lint::Context> out(directories.size());
  // The outermost one of the list above each, which is listed for all; itself: there is none.
  std::vector<std::size_t> above(out.size());
  for (std::size_t at = 0; at < out.size(); ++at) {
    above[at] = at;
    const auto try_one = [&](std::string_view directory) {
      const auto found = std::ranges::lower_bound(directories, directory);
      if (found != directories.end() && *found == directory)
        above[at] = static_cast<std::size_t>(found - directories.begin());
    };
    const std::string_view own = directories[at];
    for (std::size_t slash = own.rfind('/'); slash != own.npos && slash > 0;
         slash = own.rfind('/', slash - 1))
      try_one(own.substr(0, slash));
    if (!own.starts_with('/') && own != ".." && !own.starts_with("../")) try_one(".");
  }
  parallel_for(out.size(), [&](std::size_t at) {
    if (above[at] == at) out[at] = list_context(directories[at]);
  });
  parallel_for(out.size(), [&](std::size_t at) {
    if (above[at] == at) return;
    const lint::Context& outer = out[above[at]];
    lint::Context& own = out[at];
    own.directory = directories[at];
    if (outer.complete) own.files = files_below(outer, own.directory);
    if (own.files.empty()) own = list_context(own.directory);
  });
  return out;
}

}  // namespace flense::cli
