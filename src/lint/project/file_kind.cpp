// Which format a file is in: by its name, and where names are common ones by what stands in it.
#include <algorithm>
#include <array>
#include <initializer_list>

#include "base/ascii.h"
#include "lint/source/blanks.h"

#include "lint/project/project.h"

namespace flense::lint {

namespace {

/// As much of a text as decides.
constexpr std::size_t kMostLooked = std::size_t{1} << 20;

bool is_yaml_name(std::string_view name) {
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".yaml.j2") ||
         name.ends_with(".yml.j2") || name.ends_with(".tpl");
}

/// What a YAML text says at the left margin.
struct Margin {
  bool api_version = false, kind = false;
  bool services_mapping = false, container_like = false;
  bool dependencies_list = false, channels = false, name = false;
};

/// The key that a line begins with, of the given indentation; empty: none.
std::string_view key_of(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == line.npos || colon == 0) return {};
  std::string_view key = line.substr(0, colon);
  if (key.size() > 2 && (key.front() == '"' || key.front() == '\''))
    key = key.substr(1, key.size() - 2);
  return key;
}

Margin margin_of(std::string_view text) {
  Margin out;
  std::string_view last;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t indent = line.find_first_not_of(" \t");
    if (indent == line.npos || line[indent] == '#') continue;
    if (indent == 0) {
      const bool item = line[0] == '-';
      if (item && last == "dependencies") out.dependencies_list = true;
      if (item) continue;
      last = key_of(line);
      if (last == "apiVersion") out.api_version = true;
      if (last == "kind") out.kind = true;
      if (last == "channels") out.channels = true;
      if (last == "name") out.name = true;
      continue;
    }
    const std::string_view inner = line.substr(indent);
    if (last == "dependencies" && inner[0] == '-') out.dependencies_list = true;
    // GitLab's `services:` and others' are lists.
    if (last == "services" && inner[0] != '-') {
      out.services_mapping = true;
      if (is_one_of(key_of(inner), {"image", "build", "extends"})) out.container_like = true;
    }
  }
  return out;
}

/// {"apiVersion": …, "kind": …} as kubectl writes it, in any layout.
bool is_kubernetes_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == '{' && text.find("\"apiVersion\"") != text.npos &&
         text.find("\"kind\"") != text.npos;
}

FileKind kind_of_yaml(std::string_view name, std::string_view text) {
  if (is_kubernetes_json(text)) return FileKind::kKubernetes;
  const Margin margin = margin_of(text);
  if (margin.api_version && margin.kind) return FileKind::kKubernetes;
  if (margin.services_mapping && margin.container_like) return FileKind::kCompose;
  const bool conda_name = name.starts_with("environment") || name.starts_with("conda") ||
                          name.starts_with("env.") || name.ends_with("environment.yml") ||
                          name.ends_with("environment.yaml");
  if (margin.dependencies_list && (conda_name || (margin.channels && margin.name)))
    return FileKind::kCondaEnvironment;
  if (conda_name && name.starts_with("environment")) return FileKind::kCondaEnvironment;
  return FileKind::kUnknown;
}

bool is_dockerfile_name(std::string_view name) {
  for (const std::string_view word : {"dockerfile", "containerfile"}) {
    if (name == word || (name.starts_with(word) && name[word.size()] == '.' &&
                         !ends_with_any(name, {".dockerignore", ".md", ".txt~", ".bak"})))
      return true;
    if (name.size() > word.size() + 1 && name.ends_with(word) &&
        (name[name.size() - word.size() - 1] == '.' || name[name.size() - word.size() - 1] == '-'))
      return true;
    if (name.starts_with(word) && (name[word.size()] == '-' || name[word.size()] == '_'))
      return true;
  }
  return false;
}

bool is_requirements_name(std::string_view path, std::string_view name) {
  if (!ends_with_any(name, {".txt", ".in"})) return false;
  const std::string_view stem = name.substr(0, name.rfind('.'));
  if (stem.starts_with("requirements") || stem.starts_with("constraints")) return true;
  if (stem.ends_with("requirements") && stem.size() > 12) return true;
  // requirements/gpu.txt
  return path.find("requirements/") != path.npos;
}

bool is_shell_shebang(std::string_view text) {
  if (!text.starts_with("#!")) return false;
  const std::string_view line = text.substr(2, std::min(text.find('\n'), std::size_t{200}) - 2);
  for (const std::string_view shell : {"sh", "bash", "dash", "ksh", "zsh"}) {
    const std::size_t at = line.find(shell);
    if (at == line.npos || at == 0) continue;
    const char before = line[at - 1],
               after = at + shell.size() < line.size() ? line[at + shell.size()] : ' ';
    if ((before == '/' || before == ' ') && (after == ' ' || after == '\r')) return true;
  }
  return false;
}

/// FROM as the first instruction: a Dockerfile on standard input.
bool looks_like_dockerfile(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t indent = line.find_first_not_of(" \t");
    if (indent == line.npos || line[indent] == '#') continue;
    const std::string word =
        to_lower(line.substr(indent, line.find_first_of(" \t", indent) - indent));
    return word == "from" || word == "arg";
  }
  return false;
}

FileKind kind_of_content(std::string_view name, std::string_view text) {
  if (is_shell_shebang(text)) return FileKind::kShell;
  if (looks_like_dockerfile(text)) return FileKind::kDockerfile;
  return kind_of_yaml(name, text);
}

}  // namespace

std::string_view to_string(FileKind kind) {
  static constexpr std::array<std::string_view, 15> kNames = {
      "dockerfile", "dockerignore", "compose",      "kubernetes", "bake",
      "bake",       "conda",        "requirements", "pyproject",  "uv-lock",
      "apptainer",  "quadlet",      "systemd",      "shell",      "unknown"};
  return kNames[static_cast<std::size_t>(kind)];
}

FileKind kind_of(std::string_view path, std::string_view whole) {
  const std::string_view text = whole.substr(0, kMostLooked);
  const std::size_t slash = path.rfind('/');
  const std::string name = to_lower(slash == path.npos ? path : path.substr(slash + 1));
  if (name == ".dockerignore" || name.ends_with(".dockerignore") || name == ".containerignore")
    return FileKind::kDockerignore;
  if (is_dockerfile_name(name)) return FileKind::kDockerfile;
  if (name == "pyproject.toml") return FileKind::kPyproject;
  if (name == "uv.lock") return FileKind::kUvLock;
  if (is_requirements_name(to_lower(path), name)) return FileKind::kRequirements;
  if (name.starts_with("docker-bake.") || name.ends_with(".bake.hcl") || name == "bake.hcl") {
    if (name.ends_with(".hcl")) return FileKind::kBakeHcl;
    if (name.ends_with(".json")) return FileKind::kBakeJson;
  }
  if (name.ends_with(".def")) {
    // Windows' module definitions have the same ending.
    const std::string begin = to_lower(text.substr(0, 4096));
    if (begin.find("bootstrap") != begin.npos) return FileKind::kApptainer;
    return FileKind::kUnknown;
  }
  if (name == "singularity" || name.starts_with("singularity.") || name == "apptainer")
    return FileKind::kApptainer;
  if (ends_with_any(name, {".container", ".pod", ".kube"})) return FileKind::kQuadlet;
  if (name.ends_with(".service")) return FileKind::kSystemd;
  if (ends_with_any(name, {".sh", ".bash", ".sbatch", ".slurm"})) return FileKind::kShell;
  if (is_yaml_name(name)) {
    if (name.starts_with("compose.") || name.starts_with("compose-") ||
        name.starts_with("docker-compose") || name.ends_with("-compose.yml") ||
        name.ends_with("-compose.yaml") || name.ends_with(".compose.yml") ||
        name.ends_with(".compose.yaml"))
      return FileKind::kCompose;
    return kind_of_yaml(name, text);
  }
  if (name.ends_with(".json"))
    return is_kubernetes_json(text) ? FileKind::kKubernetes : FileKind::kUnknown;
  // Standard input, and scripts without an ending.
  if (name == "-" || name.find('.') == name.npos) return kind_of_content(name, text);
  return FileKind::kUnknown;
}

}  // namespace flense::lint
