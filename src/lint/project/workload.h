// Whatever launches a container, in one form for Compose services, Kubernetes pods, Quadlets,
// systemd units and command lines of docker, podman, apptainer and srun (pyxis): the I/O and
// runtime rules see this form, not the syntax.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/source/finding.h"
#include "lint/source/source.h"
#include "text/yaml_nodes.h"

namespace flense::lint {

enum class WorkloadKind : std::uint8_t {
  kCompose,
  kKubernetes,
  kQuadlet,
  kSystemd,
  kDocker,
  kPodman,
  kApptainer,
  kSrun,
};

enum class MountKind : std::uint8_t {
  kBind,
  kVolume,
  kTmpfs,
  kEmptyDir,
  kMemory,
  kClaim,
  kConfig,
  kOther,
};

struct WorkloadMount {
  MountKind kind = MountKind::kBind;
  std::string source;  ///< path, volume or claim; empty: none
  std::string target;  ///< path in the container
  bool read_only = false;
  std::optional<std::uint64_t> bytes;  ///< size limit
  Span span;
};

struct GpuAsk {
  std::string vendor;                  ///< "nvidia", "amd", "intel"
  std::optional<std::uint64_t> count;  ///< nullopt: all, or not told
  bool all = false;
  std::vector<std::string> devices;  ///< ids, CDI names
  std::string resource;              ///< "nvidia.com/gpu"; empty outside of Kubernetes
  Span span;
};

struct Variable {
  std::string name;
  std::optional<std::string> value;  ///< nullopt: from elsewhere
  Span span;
};

struct Workload {
  WorkloadKind kind = WorkloadKind::kDocker;
  std::string path;  ///< the file
  Span span;         ///< the service's key, the container's name, the command line
  std::string name;
  Word image;  ///< empty text: none
  std::optional<ImageName> image_name;
  std::optional<Word> build_context, dockerfile;  ///< Compose's build:
  std::vector<Word> command, arguments;           ///< entry point and arguments as stated
  std::vector<Variable> variables;
  std::vector<WorkloadMount> mounts;
  std::vector<GpuAsk> gpus;
  std::vector<Word> devices;  ///< mapped by hand: "/dev/nvidia0", "/dev/kfd"
  std::vector<Word> groups;
  std::optional<std::uint64_t> shm_bytes;
  bool host_ipc = false;
  std::optional<Word> privileged;  ///< the place where it is switched on
  std::optional<Word> runtime;     ///< "nvidia"
  std::optional<Word> one_dash;    ///< "-shm-size", which docker takes for letters
  std::optional<Word> early_gpus;  ///< --gpus in front of docker's verb, where docker has none
  std::optional<std::uint64_t> memory_limit;
  /// Of memory and swap together, with its place.
  std::optional<std::pair<std::uint64_t, Span>> swap_limit;
  bool writable_root = true;
  bool unknown_options = false;  ///< of a command line: a variable stands where an option may
  bool init_container = false;   ///< of a pod: it ends before the others start
  // Where the rest can be looked up, for Compose and Kubernetes; owned by ProjectFile::yaml.
  const text::YamlNode* node = nullptr;    ///< the service, the container
  const text::YamlNode* pod = nullptr;     ///< the pod's spec
  const text::YamlNode* object = nullptr;  ///< the object that holds it
};

/// A target of docker-bake.hcl or docker-bake.json (Docker's Bake file reference): what one
/// `docker buildx bake` builds.
struct BuildTarget {
  std::string path;  ///< the file
  Span span;         ///< the target's name, or the command
  std::string name;
  std::vector<Word> inherits;
  /// As written, variables with a default replaced; empty text: not stated here or by a target that
  /// it inherits, or unknown.
  Word context, dockerfile, stage;
  bool inline_dockerfile = false;
  std::vector<std::pair<Word, Word>> args, contexts;
  std::vector<Word> platforms, cache_from, cache_to, tags;
};

/// An image that is named and not started here: docker pull, the container of a CI job.
struct NamedImage {
  Word text;
  ImageName name;
};

/// What command lines and CI files name beside the containers that they start.
struct CommandNames {
  std::vector<NamedImage> images;
  /// docker build. Paths are as written: which directory they begin at only the caller knows, but
  /// `dockerfile` begins there too, unlike that of a bake file.
  std::vector<BuildTarget> builds;
  /// The same builds with the values of a workflow's matrix, one for each run; args at the values.
  std::vector<BuildTarget> matrix_builds;
  std::vector<Word> sandboxes;  ///< directories that apptainer builds images into
  /// Of package managers, where the shell redirects what looks like a version.
  std::vector<ShellCommand> redirected_installs;
};

}  // namespace flense::lint
