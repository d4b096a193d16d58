// What has to change in an engine's configuration so that it reads CDI specifications. Pure
// decisions: takes the text of files, returns edits as values.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cdi/install/config_edit.h"

namespace flense::cdi {

/// An engine as it stands.
struct EngineScene {
  std::string name;                    ///< "docker", "podman", "containerd", "crio"
  std::optional<std::string> version;  ///< "28.3.1-1~debian"; nullopt: unknown
  bool user = false;                   ///< the rootless engine of one user
  std::string config;                  ///< --config; empty: where the engine looks
  std::string config_home;             ///< of the user: "/home/u/.config"
  std::string spec_directory;          ///< where the specification goes
  /// A file's text; nullopt: there is none.
  std::function<Result<std::optional<std::string>>(const std::string&)> read;
  /// Names in a directory, sorted.
  std::function<std::vector<std::string>(const std::string&)> list;
};

struct EnginePlan {
  std::vector<ConfigEdit> edits;
  std::vector<std::pair<std::string, std::string>> files;  ///< drop-ins of ours: path, text
  std::vector<std::string> notices;
  std::string restart;  ///< command that makes the engine read it; empty: none is needed
};

/// An environment error for an engine that is too old to know CDI.
Result<EnginePlan> plan_engine(const EngineScene& scene);

// One function per engine file.
Result<EnginePlan> plan_docker(const EngineScene& scene);
Result<EnginePlan> plan_podman(const EngineScene& scene);
Result<EnginePlan> plan_containerd(const EngineScene& scene);
Result<EnginePlan> plan_crio(const EngineScene& scene);

/// Whether the engine is known to be at least that new.
bool known_at_least(const EngineScene& scene, std::string_view version);
/// An error when the engine is known to be older than `first`, its first version with CDI.
Result<void> require_version(const EngineScene& scene, std::string_view first);

/// The list of directories with ours in it, nullopt when it is there already. `present` is what a
/// configuration says; null: the engine's own default, /etc/cdi and /var/run/cdi.
std::optional<text::Json> directories_with(const text::Json& present, const std::string& ours);

}  // namespace flense::cdi
