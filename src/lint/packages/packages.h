// Requests for packages, wherever they are written: command lines of pip, uv, conda, mamba, poetry,
// apt, dnf, apk; requirements.txt, pyproject.toml, uv.lock, environment.yml.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lint/shell/shell.h"
#include "lint/source/finding.h"
#include "lint/source/source.h"

namespace flense::lint {

enum class PackageManager : std::uint8_t { kPip, kUv, kConda, kPoetry, kApt, kDnf, kApk };
std::string_view to_string(PackageManager manager);
/// What it installs are the distribution's packages, with names of its own.
constexpr bool is_of_system(PackageManager manager) {
  return manager == PackageManager::kApt || manager == PackageManager::kDnf ||
         manager == PackageManager::kApk;
}

struct PackageRequest {
  PackageManager manager = PackageManager::kPip;
  std::string name;  ///< Python's as PEP 503 normalises them: "onnxruntime-gpu"
  std::vector<std::string> extras;
  std::string specifier;  ///< "==2.6.0+cu124", ">=2,<3"; empty: any
  std::string version;    ///< where the specifier fixes one: "2.6.0+cu124"
  std::string url;        ///< of a direct reference
  std::string index;      ///< URL of the index it is bound to: [tool.uv.sources], a lock's registry
  std::string marker;     ///< "python_version < '3.12'"; empty: always
  std::string group;      ///< extra or group of pyproject.toml; empty: always asked for
  std::string taken_of;   ///< the group that it had, of one that a command asks for
  bool extra = false;     ///< the group is an extra
  std::string path;       ///< the file that holds it
  Span span;
};

/// Who needs whom in a lock file; defined beside what follows it.
struct LockGraph;

/// What one command line or one file asks for.
struct PackageList {
  PackageManager manager = PackageManager::kPip;
  std::string path;
  Span span;  ///< the command; empty: the file as a whole
  std::vector<PackageRequest> packages;
  std::vector<Word> unread;   ///< of a command: words that are no request
  std::vector<Word> indexes;  ///< --index-url, --extra-index-url, channels, [[tool.uv.index]]
  /// --find-links of what is no page of links but the root of an index: nothing comes from there.
  std::vector<Word> linkless;
  /// -r FILE, -f environment.yml, as written; DIR/pyproject.toml of `pip install DIR`, and
  /// pyproject.toml of `uv sync` and `poetry install`.
  std::vector<Word> requirement_files;
  /// "--no-cache-dir", "--no-install-recommends", "-y"; one with a value as "--name=value".
  std::vector<std::string> options;
  std::string name;  ///< of an environment.yml: the environment's; empty: none
  /// Of a command: the extras that it asks a project for (`pip install .[a,b]`).
  std::vector<std::string> extras;
  std::string project;  ///< of pyproject.toml: the project's own name; its extras may ask for it
  /// Of pyproject.toml: the groups that are installed unasked, and which groups include which.
  std::vector<std::string> default_groups;
  std::vector<std::pair<std::string, std::string>> included;
  std::shared_ptr<const LockGraph> lock;  ///< of uv.lock
  std::string program;   ///< of a command: "pip", "micromamba", "apt-get"; empty for a file
  std::string verb;      ///< "install", "create", "sync"
  bool installs = true;  ///< false: download, wheel, lock

  /// With any value.
  bool has_option(std::string_view option) const;
  /// What is there is put there anew: --force-reinstall, --ignore-installed, uv's --reinstall.
  bool installs_anew() const;
  /// What is there is replaced by something newer: -U.
  bool upgrades() const;
  /// What an option names, `option` the name or its letter.
  void add_index(std::string_view option, Word url);
  /// The first of these names; null when none is requested.
  const PackageRequest* find(std::string_view wanted) const;
};

/// The package commands of a text of commands; `$NAME` replaced where the environment knows it.
std::vector<PackageList> package_commands(const SourceText& source,
                                          const std::vector<ShellCommand>& commands,
                                          const Environment& environment);

// Each returns what could be read and adds a parse problem for what could not.
PackageList read_requirements(const SourceText& source, std::vector<ParseProblem>& problems);
PackageList read_pyproject(const SourceText& source, std::vector<ParseProblem>& problems);
PackageList read_uv_lock(const SourceText& source, std::vector<ParseProblem>& problems);
PackageList read_conda_environment(const SourceText& source, std::vector<ParseProblem>& problems);

}  // namespace flense::lint
