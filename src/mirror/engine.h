// What an engine's configuration has to say so that it asks the mirror of this node's GPUs for a
// tag before it asks upstream. Pure decisions: takes the text of files, returns edits as values.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cdi/install/engine.h"
#include "image/model/mirror.h"

namespace flense::mirror {

/// A node as it stands.
struct Scene {
  std::string engine;                  ///< a name of engines()
  std::optional<std::string> version;  ///< nullopt: unknown
  image::Mirror mirror;
  std::string gpu;                    ///< as the mirror has it: "sm_90"
  std::vector<std::string> upstream;  ///< hosts, each of which host_component() takes
  /// A file's text without what flense has put there; nullopt: there is none.
  std::function<Result<std::optional<std::string>>(const std::string&)> read;
  /// Names in a directory, sorted.
  std::function<std::vector<std::string>(const std::string&)> list;

  /// "https://reg.example/v2/sm_90/nvcr.io"
  Result<std::string> url(std::string_view upstream_host) const;
  bool has(const std::string& directory, std::string_view name) const;
};

/// An environment error where what is there leaves no room for a mirror; nothing is to be changed
/// then.
using Planner = Result<cdi::EnginePlan> (*)(const Scene& scene);

struct Engine {
  std::string_view name;
  Planner plan;
};
std::span<const Engine> engines();

// One function per engine file.
Result<cdi::EnginePlan> plan_containerd(const Scene& scene);
Result<cdi::EnginePlan> plan_docker(const Scene& scene);
Result<cdi::EnginePlan> plan_containers(const Scene& scene);
Result<cdi::EnginePlan> plan_crio(const Scene& scene);
Result<cdi::EnginePlan> plan_buildkit(const Scene& scene);

/// Above what is written.
std::string note_of(const Scene& scene);

}  // namespace flense::mirror
