#include "lint/project.h"

#include <algorithm>

#include <filesystem>
#include <set>

namespace flense::lint {

std::string normal_path(std::string_view path) {
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

const ProjectFile* Project::find(std::string_view path) const {
  const std::string wanted = normal_path(path);
  for (const auto& file : files)
    if (normal_path(file->source.path()) == wanted) return file.get();
  return nullptr;
}

namespace {

/// The Compose service that builds the Dockerfile may say where from; else it is its own directory.
std::string context_directory(const Project& project, const ProjectFile& dockerfile) {
  const std::string own = normal_path(dockerfile.source.path());
  for (const auto& file : project.files)
    for (const Workload& one : file->workloads) {
      if (!one.build_context) continue;
      const std::string context =
          path_below(directory_of(file->source.path()), one.build_context->text);
      const std::string named =
          path_below(context, one.dockerfile ? one.dockerfile->text : "Dockerfile");
      if (named == own) return context;
    }
  return normal_path(directory_of(own));
}

}  // namespace

std::vector<std::string> context_directories(const Project& project) {
  std::set<std::string> out;
  for (const auto& file : project.files)
    if (file->dockerfile && file->source.path() != "-")
      out.insert(context_directory(project, *file));
  return {out.begin(), out.end()};
}

const Context* Project::context_of(const ProjectFile& dockerfile) const {
  const std::string directory = context_directory(*this, dockerfile);
  for (const Context& context : contexts)
    if (normal_path(context.directory) == directory) return &context;
  return nullptr;
}

std::vector<const ProjectFile*> Project::of_kind(FileKind kind) const {
  std::vector<const ProjectFile*> out;
  for (const auto& file : files)
    if (file->kind == kind) out.push_back(file.get());
  return out;
}

}  // namespace flense::lint
