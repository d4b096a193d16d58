#include <algorithm>
#include <set>

#include "lint/lint.h"
#include "lint/readers/readers.h"

namespace flense::lint {

namespace {

void read_file(ProjectFile& file) {
  switch (file.kind) {
    case FileKind::kDockerfile:
      file.dockerfile = parse_dockerfile(file.source);
      break;
    case FileKind::kCompose:
      return read_compose(file);
    case FileKind::kKubernetes:
      return read_kubernetes(file);
    case FileKind::kBakeHcl:
      return read_bake_hcl(file);
    case FileKind::kBakeJson:
      return read_bake_json(file);
    case FileKind::kCondaEnvironment:
      file.packages = read_conda_environment(file.source, file.problems);
      break;
    case FileKind::kRequirements:
      file.packages = read_requirements(file.source, file.problems);
      break;
    case FileKind::kPyproject:
      file.packages = read_pyproject(file.source, file.problems);
      break;
    case FileKind::kUvLock:
      file.packages = read_uv_lock(file.source, file.problems);
      break;
    case FileKind::kApptainer:
      file.apptainer = parse_apptainer(file.source, file.problems);
      break;
    case FileKind::kQuadlet:
      return read_quadlet(file);
    case FileKind::kSystemd:
      return read_systemd(file);
    case FileKind::kShell:
      return read_shell(file);
    case FileKind::kDockerignore:
    case FileKind::kUnknown:
      break;
  }
}

}  // namespace

Project read_project(std::vector<Input> inputs, std::vector<Context> contexts,
                     std::vector<host::Profile> hosts, const knowledge::Knowledge& knowledge) {
  Project out;
  out.contexts = std::move(contexts);
  out.hosts = std::move(hosts);
  out.knowledge = &knowledge;
  std::ranges::sort(inputs, {}, &Input::path);
  std::set<std::string> seen;
  for (Input& input : inputs) {
    if (!seen.insert(normal_path(input.path)).second) continue;
    auto file = std::make_unique<ProjectFile>();
    file->kind = kind_of(input.path, input.text);
    file->source = SourceText(std::move(input.path), std::move(input.text));
    if (file->source.text().find('\0') != std::string_view::npos) {
      file->problems.push_back({{}, "the file is no text: it holds zero bytes"});
      file->kind = FileKind::kUnknown;
    }
    read_file(*file);
    out.files.push_back(std::move(file));
  }
  out.index();
  return out;
}

}  // namespace flense::lint
