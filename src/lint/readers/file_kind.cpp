// The table of file kinds, and how files with common names are recognised.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/dockerfile/apptainer.h"
#include "lint/readers/readers.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// As much of a text as decides.
constexpr std::size_t kMostLooked = std::size_t{1} << 20;

bool is_yaml_name(std::string_view name) {
  return ends_with_any(name, {".yaml", ".yml", ".yaml.j2", ".yml.j2", ".tpl"});
}

/// What a YAML text says at the left margin.
struct Margin {
  bool api_version = false, kind = false, pod = false, containers = false;
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
      out.pod = out.pod || trim_space(line) == "kind: Pod";
      if (last == "channels") out.channels = true;
      if (last == "name") out.name = true;
      continue;
    }
    const std::string_view inner = line.substr(indent);
    if (last == "spec" && trim_space(inner) == "containers:") out.containers = true;
    if (last == "dependencies" && inner[0] == '-') out.dependencies_list = true;
    // In GitLab's and other files `services:` is a list.
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
  if (first == text.npos || text[first] != '{') return false;
  // Schemas of the API have the words further inside.
  bool version = false, kind = false;
  std::size_t depth = 0;
  for (std::size_t at = first; at < text.size() && !(version && kind); ++at) {
    const char c = text[at];
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && depth-- == 1) break;
    if (c != '"') continue;
    const std::size_t begin = ++at;
    while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2U : 1U;
    if (depth != 1 || at >= text.size()) continue;
    const std::string_view word = text.substr(begin, at - begin);
    version = version || word == "apiVersion";
    kind = kind || word == "kind";
  }
  return version && kind;
}

FileKind kind_of_yaml(std::string_view name, std::string_view text) {
  if (is_kubernetes_json(text)) return FileKind::kKubernetes;
  const Margin margin = margin_of(text);
  // A pod alone, whose version the tool that takes it may fill in.
  if (margin.kind && (margin.api_version || (margin.pod && margin.containers)))
    return FileKind::kKubernetes;
  if (margin.services_mapping && margin.container_like) return FileKind::kCompose;
  const bool conda_name = name.starts_with("environment") || name.starts_with("conda") ||
                          name.starts_with("env.") || name.ends_with("environment.yml") ||
                          name.ends_with("environment.yaml");
  if (margin.dependencies_list && (conda_name || (margin.channels && margin.name)))
    return FileKind::kCondaEnvironment;
  // Also one that is not valid; other programs have environments too.
  if (name.starts_with("environment") && text.contains("dependencies:"))
    return FileKind::kCondaEnvironment;
  return FileKind::kUnknown;
}

/// dockerfile_test.sh, dockerfile-lint.yml: other kinds of files about Dockerfiles.
bool is_other_than_dockerfile(std::string_view name) {
  return ends_with_any(name,
                       {".sh",   ".py",        ".yml", ".yaml", ".json", ".md",  ".rst",   ".toml",
                        ".go",   ".js",        ".ts",  ".html", ".csv",  ".m4",  ".orig",  ".old",
                        ".bk",   ".rej",       ".png", ".svg",  ".jpg",  ".pdf", ".ipynb", ".patch",
                        ".diff", ".encrypted", ".enc", ".gpg",  ".age",  ".gz",  ".zip"});
}

bool is_dockerfile_name(std::string_view name) {
  if (is_other_than_dockerfile(name)) return false;
  for (const std::string_view word : {"dockerfile", "containerfile"}) {
    if (name == word || (name.starts_with(word) && name[word.size()] == '.' &&
                         !ends_with_any(name, {".dockerignore", ".md", ".txt~", ".bak"})))
      return true;
    if (name.size() > word.size() && name.ends_with(word) &&
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
  return has_part(directory_of(path), "/", {"requirements"});
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

/// FROM or ARG as the first instruction.
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

/// A file's name in lower case, with its path and without, and the part of its text that decides.
struct Candidate {
  std::string path, name;
  std::string_view text;
};

/// "DockerfileCuda.jax", unless its text is another's.
bool is_dockerfile_by_both(const Candidate& file) {
  return file.name.starts_with("dockerfile") && !ends_with_any(file.name, {".txt", ".in", ".j2"}) &&
         !is_other_than_dockerfile(file.name) && looks_like_dockerfile(file.text);
}

/// A script of PBS, LSF, Grid Engine or Slurm by names that other files have too.
bool is_batch(const Candidate& file) {
  if (!ends_with_any(file.name, {".pbs", ".lsf", ".job", ".sub", ".qsub"}) ||
      file.name == "config.sub")  // of autoconf
    return false;
  if (is_shell_shebang(file.text)) return true;
  for (const std::string_view mark : {"#SBATCH ", "#PBS ", "#BSUB ", "#$ "})
    if (file.text.starts_with(mark) || file.text.contains(fmt::format("\n{}", mark))) return true;
  return false;
}

bool is_bake_name(std::string_view name) {
  return name.starts_with("docker-bake.") || name.ends_with(".bake.hcl") || name == "bake.hcl";
}

/// Bootstrap as the first key.
bool begins_with_bootstrap(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (trim_space(line).empty() || line.starts_with('#')) continue;
    return same_text(trim_space(line.substr(0, line.find(':'))), "bootstrap");
  }
  return false;
}

bool is_apptainer(const Candidate& file) {
  // Windows module definitions have the same extension, and singularity.config is Nextflow's.
  if (file.name.ends_with(".def") || file.name.starts_with("singularity."))
    // Behind a licence, or another key.
    return begins_with_bootstrap(file.text) ||
           to_lower(file.text.substr(0, 4096)).contains("bootstrap");
  return is_one_of(file.name, {"singularity", "apptainer"}) ||
         (starts_with_any(file.name, {"singularity", "apptainer"}) &&
          begins_with_bootstrap(file.text));
}

/// A pipeline of Azure by its content: its templates have any name.
bool is_azure_template(std::string_view text) {
  const auto has_line = [&](std::string_view key) {
    return text.starts_with(key) || text.contains(std::string("\n").append(key));
  };
  const bool head = has_line("resources:") || has_line("trigger:") || has_line("stages:") ||
                    has_line("jobs:") || has_line("parameters:");
  return head && !text.contains("apiVersion:") &&
         (text.contains("- bash:") || text.contains("- task:") || text.contains("- container:") ||
          text.contains("vmImage:"));
}

/// Of GitHub, GitLab and Azure; a composite action is named action.yml.
bool is_workflow(const Candidate& file) {
  if (!is_yaml_name(file.name)) return false;
  return file.path.contains(".github/workflows/") || file.name.ends_with(".gitlab-ci.yml") ||
         (file.name.starts_with("action.") && file.text.contains("runs:")) ||
         file.name.starts_with("azure-pipelines") || is_azure_template(file.text);
}

bool is_compose_name(std::string_view name) {
  return is_yaml_name(name) &&
         (starts_with_any(name, {"compose.", "compose-", "docker-compose"}) ||
          ends_with_any(name, {"-compose.yml", "-compose.yaml", ".compose.yml", ".compose.yaml"}));
}

/// ".env", ".env.production", "api.env"; not what a reader copies and fills in.
bool is_variables_name(std::string_view name) {
  return (name == ".env" || name.starts_with(".env.") || name.ends_with(".env")) &&
         !has_part(name, "._-",
                   {"example", "examples", "sample", "samples", "template", "tmpl", "tpl", "dist",
                    "default", "defaults", "dummy", "j2", "schema", "vault", "enc", "encrypted",
                    "sops", "age", "gpg"});
}

FileContent read_dockerfile(const SourceText& source) {
  FileContent out;
  out.dockerfile = parse_dockerfile(source);
  out.template_language = out.dockerfile->template_language;
  return out;
}

FileContent read_definition(const SourceText& source) {
  FileContent out;
  out.dockerfile = parse_apptainer(source);
  return out;
}

template <PackageList (*Read)(const SourceText&, std::vector<ParseProblem>&)>
FileContent read_packages(const SourceText& source) {
  FileContent out;
  out.packages = Read(source, out.problems);
  return out;
}

struct KindRow {
  FileKind kind;
  std::string_view word;  ///< in reports
  /// Null: by its content alone.
  bool (*has_name)(const Candidate& file);
  /// Null: nothing is read.
  FileContent (*read)(const SourceText& source);
};

/// A file is of the first kind that its name fits.
constexpr KindRow kKinds[] = {
    {FileKind::kDockerignore, "dockerignore",
     [](const Candidate& file) {
       return file.name.ends_with(".dockerignore") || file.name == ".containerignore";
     },
     nullptr},
    {FileKind::kDockerfile, "dockerfile",
     [](const Candidate& file) {
       return is_dockerfile_name(file.name) || is_dockerfile_by_both(file);
     },
     read_dockerfile},
    {FileKind::kPyproject, "pyproject",
     [](const Candidate& file) { return file.name == "pyproject.toml"; },
     read_packages<read_pyproject>},
    {FileKind::kUvLock, "uv-lock", [](const Candidate& file) { return file.name == "uv.lock"; },
     read_packages<read_uv_lock>},
    {FileKind::kRequirements, "requirements",
     [](const Candidate& file) { return is_requirements_name(file.path, file.name); },
     read_packages<read_requirements>},
    {FileKind::kBakeHcl, "bake",
     [](const Candidate& file) { return is_bake_name(file.name) && file.name.ends_with(".hcl"); },
     read_bake_hcl},
    {FileKind::kBakeJson, "bake",
     [](const Candidate& file) { return is_bake_name(file.name) && file.name.ends_with(".json"); },
     read_bake_json},
    {FileKind::kApptainer, "apptainer", is_apptainer, read_definition},
    {FileKind::kQuadlet, "quadlet",
     [](const Candidate& file) {
       // Perl's documentation has the ending .pod.
       return ends_with_any(file.name, {".container", ".pod", ".kube"}) &&
              (file.text.contains("[Container]") || file.text.contains("[Pod]") ||
               file.text.contains("[Kube]") || file.text.contains("[Unit]"));
     },
     read_quadlet},
    {FileKind::kSystemd, "systemd",
     [](const Candidate& file) {
       // Avahi's are XML, other programs' JSON.
       return file.name.ends_with(".service") &&
              (file.text.contains("[Service]") || file.text.contains("[Unit]"));
     },
     read_systemd},
    {FileKind::kShell, "shell",
     [](const Candidate& file) {
       return ends_with_any(file.name, {".sh", ".bash", ".sbatch", ".slurm"}) || is_batch(file);
     },
     read_shell},
    {FileKind::kMakefile, "makefile",
     [](const Candidate& file) {
       return is_one_of(file.name, {"makefile", "gnumakefile"}) || file.name.ends_with(".mk");
     },
     read_makefile},
    {FileKind::kWorkflow, "workflow", is_workflow, read_workflow},
    {FileKind::kDevcontainer, "devcontainer",
     [](const Candidate& file) {
       return is_one_of(file.name, {"devcontainer.json", ".devcontainer.json"});
     },
     read_devcontainer},
    {FileKind::kDaemon, "daemon", [](const Candidate& file) { return file.name == "daemon.json"; },
     nullptr},
    {FileKind::kCompose, "compose",
     [](const Candidate& file) { return is_compose_name(file.name); }, read_compose},
    {FileKind::kVariables, "variables",
     [](const Candidate& file) { return is_variables_name(file.name); }, read_variables},
    {FileKind::kPip, "pip", [](const Candidate& file) { return file.name == "pip.conf"; }, nullptr},
    {FileKind::kKubernetes, "kubernetes", nullptr, read_kubernetes},
    {FileKind::kCondaEnvironment, "conda", nullptr, read_packages<read_conda_environment>},
    {FileKind::kUnknown, "unknown", nullptr, nullptr},
};

const KindRow& row_of(FileKind kind) {
  return *std::ranges::find(kKinds, kind, &KindRow::kind);
}

FileKind kind_of_content(std::string_view name, std::string_view text) {
  if (is_yaml_name(name)) return kind_of_yaml(name, text);
  if (name.ends_with(".json"))
    return is_kubernetes_json(text) ? FileKind::kKubernetes : FileKind::kUnknown;
  // Standard input, and scripts without an extension.
  if (name != "-" && name.contains('.')) return FileKind::kUnknown;
  if (is_shell_shebang(text)) return FileKind::kShell;
  if (looks_like_dockerfile(text)) return FileKind::kDockerfile;
  return kind_of_yaml(name, text);
}

}  // namespace

std::string_view to_string(FileKind kind) {
  return row_of(kind).word;
}

FileKind kind_of(std::string_view path, std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Candidate file{to_lower(path), {}, text.substr(0, kMostLooked)};
  file.name = file.path.substr(file.path.rfind('/') + 1);
  for (const KindRow& row : kKinds)
    if (row.has_name != nullptr && row.has_name(file)) return row.kind;
  return kind_of_content(file.name, file.text);
}

FileContent read_content(FileKind kind, const SourceText& source) {
  const KindRow& row = row_of(kind);
  return row.read == nullptr ? FileContent() : row.read(source);
}

}  // namespace flense::lint
