// What the rules ask about workloads: what their words and variables name, where paths are,
// how many GPUs they use.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lint/project/project.h"

namespace flense::lint {

/// Started by a container engine of this machine, and by nothing above it.
bool is_engine(WorkloadKind kind);

/// Entry point and arguments in order; the text of `sh -c` split into its words.
std::vector<Word> command_words(const Workload& workload);
/// The same of the words of one list.
std::vector<Word> split_scripts(const std::vector<Word>& words);

/// A container of an engine's image that does not start the engine: `vllm bench serve`,
/// `ollama pull`, curl, the download of a model, a script that measures or asks a server elsewhere.
bool is_client(const Workload& workload);

/// A directory, or a model, that an argument or a variable names.
struct NamedPath {
  std::string means;   ///< "data", "output", "model", "checkpoint", "cache", "scratch"
  std::string name;    ///< "--data-dir", "HF_HOME"
  std::string value;   ///< "/data", "org/model"
  Span span;           ///< of the value, or of the variable
  std::string source;  ///< the table row
};
std::vector<NamedPath> named_paths(const Workload& workload, const knowledge::Knowledge& known);

/// The mount that a path of the container lies on, the deepest; null: the container's own layer.
const WorkloadMount* mount_of(const Workload& workload, std::string_view path);

/// Whether a path is absolute and free of variables: one that can be judged.
bool is_plain_path(std::string_view path);

/// "org/name" of a model hub: something that is downloaded.
bool is_hub_model(std::string_view value);

/// A model that loads in seconds, by its name: "microsoft/DialoGPT-small", "Qwen/Qwen3-0.6B".
bool is_small_model(std::string_view name);

const knowledge::LaunchImageRow* known_image(const ImageName& image,
                                             const knowledge::Knowledge& known);
/// Of its image; null where it has none.
const knowledge::LaunchImageRow* known_image(const Workload& workload,
                                             const knowledge::Knowledge& known);

/// The fewest GPUs that it needs; "all" counts as one, since the machine is unknown.
std::uint64_t gpu_count(const Workload& workload);
bool takes_all_gpus(const Workload& workload);

/// False where part of it is defined elsewhere: a template, `extends`, an override file or a patch.
/// What is missing here may then be there.
bool is_complete(const ProjectFile& file, const Workload& workload);

/// Another Compose file beside this one gives the service what is missing here: whoever has the
/// GPU names both.
bool is_added_elsewhere(const Project& project, const ProjectFile& file, const Workload& workload,
                        bool (*gives)(const Workload&));

/// Whether a patch of a container, as Kustomize merges it into this one, has one of these keys.
bool is_patched(const Project& project, const Workload& workload,
                std::initializer_list<std::string_view> keys);

const Variable* variable(const Workload& workload, std::string_view name);

/// The args: of a Compose service's build; "${NAME}" where the caller's environment has the value.
std::vector<std::pair<Word, Word>> build_arguments(const Workload& workload);

/// What people write in a comment beside a limit that they take for the GPU's.
bool speaks_of_gpu_memory(std::string_view text);

/// "the service vllm", "the container main".
std::string title(const Workload& workload);

}  // namespace flense::lint
