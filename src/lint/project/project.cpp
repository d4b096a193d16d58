#include "lint/project/project.h"

#include <algorithm>
#include <filesystem>
#include <set>

namespace flense::lint {

namespace {

/// Nothing to resolve: no "//", no part of dots, no slash at the end.
bool is_normal(std::string_view path) {
  if (path.empty() || path.ends_with('/')) return false;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    if (part == "." || part == ".." || (part.empty() && slash != 0)) return false;
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (path.starts_with('/')) return false;
  }
  return true;
}

}  // namespace

std::string normal_path(std::string_view path) {
  if (is_normal(path)) return std::string(path);
  const std::string out = std::filesystem::path(path).lexically_normal().generic_string();
  return out.size() > 1 && out.ends_with('/') ? out.substr(0, out.size() - 1) : out;
}

std::string path_below(std::string_view directory, std::string_view path) {
  if (path.starts_with('/')) return normal_path(path);
  return normal_path((std::filesystem::path(directory) / path).generic_string());
}

std::string directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

void Project::index() {
  by_path_.clear();
  contexts_.clear();
  for (const auto& file : files) by_path_.try_emplace(normal_path(file->source.path()), file.get());
  const auto builds = [&](const ProjectFile& file, std::string_view context,
                          std::string_view dockerfile) {
    const std::string directory = path_below(directory_of(file.source.path()), context);
    contexts_.try_emplace(path_below(directory, dockerfile), directory);
  };
  for (const auto& file : files) {
    for (const Workload& one : file->workloads)
      if (one.build_context)
        builds(*file, one.build_context->text,
               one.dockerfile ? one.dockerfile->text : "Dockerfile");
    for (const BuildTarget& one : file->targets)
      if (!one.inline_dockerfile)
        builds(*file, one.context.text.empty() ? "." : one.context.text,
               one.dockerfile.text.empty() ? "Dockerfile" : one.dockerfile.text);
  }
  // Command lines begin at the root of the checkout, or at the script, where none changes that.
  for (const auto& file : files) {
    if (file->source.text().contains("cd ")) continue;
    for (const BuildTarget& one : file->names.builds) {
      const std::string &context = one.context.text, &name = one.dockerfile.text;
      if (context.empty() || name.empty() || context == "-" || context.contains("://") ||
          context.contains('$') || name.contains('$'))
        continue;
      for (const std::string& start : {std::string("."), directory_of(file->source.path())})
        if (const std::string path = path_below(start, name); by_path_.contains(path)) {
          contexts_.try_emplace(path, path_below(start, context));
          break;
        }
    }
  }
}

namespace {

/// A file or a directory with files, of a list that is sorted by path.
bool holds_path(const std::vector<ContextFile>& files, const std::string& path) {
  const auto file = std::ranges::lower_bound(files, path, {}, &ContextFile::path);
  if (file != files.end() && file->path == path) return true;
  const std::string below = path + "/";
  const auto first = std::ranges::lower_bound(files, below, {}, &ContextFile::path);
  return first != files.end() && first->path.starts_with(below);
}

/// What COPY and ADD take from the context by names of its files or directories.
std::set<std::string> copied_names(const Dockerfile& dockerfile) {
  constexpr std::size_t kMostNames = 100;  // each is sought in each directory above
  std::set<std::string> out;
  for (const Stage& stage : dockerfile.stages)
    for (const Instruction& copy : stage.instructions) {
      if (!copy.copies() || copy.flag("from") != nullptr) continue;
      for (std::size_t at = 0; at + 1 < copy.words.size() && out.size() < kMostNames; ++at) {
        std::string name = copy.words[at].text;
        name.erase(0, std::min(name.find_first_not_of('/'), name.size()));
        if (name.find_first_of("$*?[:") != name.npos) continue;
        name = normal_path(name);
        if (name != "." && !name.starts_with("..")) out.insert(std::move(name));
      }
    }
  return out;
}

}  // namespace

/// How many of the names lie in a directory, as far as is known.
std::size_t Project::count_in(const std::string& directory,
                              const std::set<std::string>& names) const {
  const auto listed = std::ranges::lower_bound(contexts, directory, {}, &Context::directory);
  const bool known = listed != contexts.end() && listed->directory == directory;
  return static_cast<std::size_t>(std::ranges::count_if(names, [&](const std::string& name) {
    const std::string path = path_below(directory, name);
    if (by_path_.contains(path)) return true;
    if (known) return holds_path(listed->files, name);
    const auto below = by_path_.lower_bound(path + "/");
    return below != by_path_.end() && below->first.starts_with(path + "/");
  }));
}

void Project::guess_contexts() {
  for (const auto& file : files) {
    const std::string path = normal_path(file->source.path());
    if (file->kind != FileKind::kDockerfile || !file->dockerfile || path == "-" ||
        contexts_.contains(path) || path.starts_with(".."))
      continue;
    const std::set<std::string> names = copied_names(*file->dockerfile);
    const std::string own = directory_of(path);
    std::size_t most = count_in(own, names);
    for (std::string at = own; at != "." && at != "/" && most < names.size();) {
      at = directory_of(at);
      if (const std::size_t here = count_in(at, names); here > most) {
        most = here;
        contexts_[path] = at;
      }
    }
  }
}

const ProjectFile* Project::find(std::string_view path) const {
  const auto at = is_normal(path) ? by_path_.find(path) : by_path_.find(normal_path(path));
  return at == by_path_.end() ? nullptr : at->second;
}

std::string Project::context_directory(const ProjectFile& dockerfile) const {
  const std::string own = normal_path(dockerfile.source.path());
  const auto at = contexts_.find(own);
  return at == contexts_.end() ? normal_path(directory_of(own)) : at->second;
}

std::vector<std::string> context_directories(const Project& project) {
  std::set<std::string> out;
  for (const auto& file : project.files)
    if (file->dockerfile && file->source.path() != "-")
      out.insert(project.context_directory(*file));
  return {out.begin(), out.end()};
}

const Context* Project::context_of(const ProjectFile& dockerfile) const {
  const std::string wanted = context_directory(dockerfile);
  const auto at = std::ranges::lower_bound(contexts, wanted, {}, &Context::directory);
  return at == contexts.end() || at->directory != wanted ? nullptr : &*at;
}

std::vector<const ProjectFile*> Project::of_kind(FileKind kind) const {
  std::vector<const ProjectFile*> out;
  for (const auto& file : files)
    if (file->kind == kind) out.push_back(file.get());
  return out;
}

}  // namespace flense::lint
