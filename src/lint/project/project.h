// Everything that one call examines: the files, what was read from them, the tables and the hosts.
// Rules see only this; no rule reads a file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "host/profile.h"
#include "knowledge/knowledge.h"
#include "lint/dockerfile/dockerfile.h"
#include "lint/packages/packages.h"
#include "lint/project/workload.h"
#include "lint/source/source.h"
#include "text/yaml_nodes.h"

namespace flense::lint {

enum class FileKind : std::uint8_t {
  kDockerfile,
  kDockerignore,
  kCompose,
  kKubernetes,
  kBakeHcl,
  kBakeJson,
  kCondaEnvironment,
  kRequirements,
  kPyproject,
  kUvLock,
  kApptainer,
  kQuadlet,
  kSystemd,
  kShell,
  kMakefile,
  kWorkflow,
  kDevcontainer,
  kDaemon,     ///< of Docker's engine
  kVariables,  ///< .env
  kPip,        ///< pip.conf
  kUnknown,
};

/// What somebody runs by hand.
constexpr bool is_script(FileKind kind) {
  return kind == FileKind::kShell || kind == FileKind::kMakefile;
}

/// A file of a build context that was not read.
struct ContextFile {
  std::string path;  ///< relative to the context, '/' between parts
  std::uint64_t bytes = 0;
};

struct Context {
  std::string directory;  ///< normal_path(); as part of the paths of the project's files; "." for
                          ///< the working one
  std::vector<ContextFile> files;
  bool complete = true;  ///< false: too many files, the rest was not listed
};

/// What a file says: the parts that its kind has.
struct FileContent {
  /// Of Apptainer's definitions too; points to the source that it was read from.
  std::optional<Dockerfile> dockerfile;
  std::optional<PackageList> packages;  ///< of requirements, pyproject, uv.lock, environment.yml
  std::vector<Workload> workloads;
  std::vector<Variable> variables;   ///< of .env files
  std::vector<BuildTarget> targets;  ///< of bake files
  CommandNames names;
  std::shared_ptr<const text::YamlTree> yaml;  ///< of YAML and JSON: what the workloads point into
  std::vector<ParseProblem> problems;          ///< of all but `dockerfile`
  std::string template_language;               ///< "Helm", "Jinja"; empty: not a template
};

struct ProjectFile : FileContent {
  SourceText source;
  FileKind kind = FileKind::kUnknown;
  Span embedded;  ///< of one that another file holds: where; its source is blank around that
};

// Paths of a project are texts with '/'; these functions do not look at the file system.
/// Without ".", ".." inside and a slash at the end.
std::string normal_path(std::string_view path);
/// `path` as seen from a directory; an absolute one stays.
std::string path_below(std::string_view directory, std::string_view path);
/// "." for a name alone.
std::string directory_of(std::string_view path);

struct Project;
/// Directories of build contexts that the files name, or that hold a Dockerfile.
std::vector<std::string> context_directories(const Project& project);

struct Project {
  /// Sorted by path; manifests and batch scripts that others hold stand behind these.
  std::vector<std::unique_ptr<ProjectFile>> files;
  /// Dockerfiles that scripts, CI and Compose files hold, with the paths and places of these.
  std::vector<std::unique_ptr<ProjectFile>> embedded;
  std::vector<Context> contexts;     ///< sorted by directory
  std::vector<std::string> foreign;  ///< directories of other projects' files, by normal path
  std::vector<std::string> retired;  ///< directories that nobody uses by their own README
  std::vector<std::string> links;    ///< files that are others of these, by normal path
  std::vector<host::Profile> hosts;  ///< of --host; may be empty
  const knowledge::Knowledge* knowledge = nullptr;

  /// To be called when all files are there: what the questions below are answered from.
  void index();
  /// Of Dockerfiles of which nothing says the context: the directory above that has more of what
  /// they copy than their own, which has to be among the contexts. The build would not find it.
  void guess_contexts();
  /// By path, "." and ".." resolved; null when it is not part of the call.
  const ProjectFile* find(std::string_view path) const;
  /// The build context of a Dockerfile: of the Compose service, bake target or command that builds
  /// it; else a directory above that has what it copies, or its own.
  const Context* context_of(const ProjectFile& dockerfile) const;
  /// Files of a kind.
  std::vector<const ProjectFile*> of_kind(FileKind kind) const;
  /// The directory of context_of(), listed or not.
  std::string context_directory(const ProjectFile& dockerfile) const;

 private:
  std::size_t count_in(const std::string& directory, const std::set<std::string>& names) const;

  std::map<std::string, const ProjectFile*, std::less<>> by_path_;
  std::map<std::string, std::string, std::less<>> contexts_;  ///< by the path of the Dockerfile
};

}  // namespace flense::lint
