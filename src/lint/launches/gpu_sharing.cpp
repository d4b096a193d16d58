// What a container is thought to share or limit of a GPU, and does not: MPS without the daemon's
// directory, a limit of the host's memory, driver libraries that nothing uses.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/own_images.h"
#include "lint/facts/workload_facts.h"
#include "lint/rules/rules.h"
#include "lint/shell/shell.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// A variable that only clients of MPS read; null: none.
const Variable* mps_limit(const Workload& workload) {
  for (const std::string_view name :
       {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT",
        "CUDA_MPS_PIPE_DIRECTORY"})
    if (const Variable* one = variable(workload, name)) return one;
  return nullptr;
}

bool shares_memory(const Workload& workload) {
  if (workload.host_ipc || mount_of(workload, "/dev/shm") != nullptr) return true;
  return workload.node != nullptr && workload.node->find("ipc") != nullptr;
}

/// The daemon's directory is mounted, and not the memory that its clients share with the server.
void client_by_mount(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  const auto pipe = std::ranges::find(workload.mounts, "/tmp/nvidia-mps", &WorkloadMount::target);
  if (pipe == workload.mounts.end() || shares_memory(workload) || workload.unknown_options) return;
  for (const Word& word : command_words(workload))
    if (word.text.contains("mps")) return;
  Finding& found = sink.add(
      "mps-not-reached", file, pipe->span,
      fmt::format("{} has the MPS daemon's {} and an IPC namespace of its own: it shares no memory "
                  "with the MPS server",
                  title(workload), pipe->target));
  found.cause = "memory";
  found.evidence.emplace_back(
      "NVIDIA, Multi-Process Service: clients share memory with the server");
  found.fix = workload.kind == WorkloadKind::kCompose ? "write ipc: host, as the server has"
                                                      : "add --ipc=host";
  found.pedantic = true;  // a server in a container may share its own namespace
}

void judge_mps(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  const Variable* limit = mps_limit(workload);
  // Of pods NVIDIA's device plugin mounts all of it.
  if (!is_engine(workload.kind) || !is_complete(file, workload)) return;
  if (limit == nullptr) return client_by_mount(file, workload, sink);
  // The daemon itself, or a program that starts it.
  for (const Word& word : command_words(workload))
    if (word.text.contains("mps-control")) return;
  const Variable* pipe = variable(workload, "CUDA_MPS_PIPE_DIRECTORY");
  const std::string directory = pipe != nullptr && pipe->value ? *pipe->value : "/tmp/nvidia-mps";
  if (!is_plain_path(directory)) return;
  const bool mounted = mount_of(workload, directory) != nullptr;
  if (mounted && shares_memory(workload)) return;
  Finding& found = sink.add(
      "mps-not-reached", file, limit->span,
      mounted ? fmt::format("{} has {} and an IPC namespace of its own: it shares no memory with "
                            "the MPS server",
                            title(workload), limit->name)
              : fmt::format("{} has {}, and {}, where the MPS daemon listens, is not mounted: the "
                            "program runs without MPS and its limits",
                            title(workload), limit->name, directory));
  found.cause = mounted ? "memory" : "directory";  // one for all clients of a file
  found.evidence.emplace_back(
      "NVIDIA, Multi-Process Service: clients find the daemon by CUDA_MPS_PIPE_DIRECTORY, "
      "/tmp/nvidia-mps by default, and share memory with the server");
  found.fix =
      workload.kind == WorkloadKind::kCompose
          ? (mounted ? std::string("write ipc: host, as the server has")
                     : fmt::format("write ipc: host and add {0}:{0} to its volumes", directory))
      : mounted ? std::string("add --ipc=host")
                : fmt::format("add --ipc=host -v {0}:{0}", directory);
}

/// The project speaks of the directory somewhere: whoever sets it knows of it.
bool sets_directory(const Project& project) {
  return std::ranges::any_of(project.files, [](const auto& file) {
    return file->source.text().contains("CUDA_MPS_PIPE_DIRECTORY");
  });
}

bool starts_daemon(std::string_view text) {
  return text.contains("nvidia-cuda-mps-control -d") || text.contains("nvidia-cuda-mps-control -f");
}

/// A pod that names the daemon's directory, and has no volume there.
void judge_mps_of_pod(const Project& project, const ProjectFile& file, const Workload& workload,
                      FindingSink& sink) {
  const Variable* pipe = variable(workload, "CUDA_MPS_PIPE_DIRECTORY");
  if (workload.kind != WorkloadKind::kKubernetes || pipe == nullptr || !pipe->value ||
      !is_plain_path(*pipe->value) || !is_complete(file, workload) ||
      mount_of(workload, *pipe->value) != nullptr ||
      is_patched(project, workload, {"volumeMounts"}))
    return;
  // The device plugin mounts its own.
  if (pipe->value->starts_with("/mps")) return;
  for (const Word& word : command_words(workload))
    if (word.text.contains("mps-control")) return;
  Finding& found =
      sink.add("mps-not-reached", file, pipe->span,
               fmt::format("{} has {}, and no volume there: the program finds no MPS daemon",
                           title(workload), pipe->name));
  found.evidence.emplace_back(
      "NVIDIA, Multi-Process Service: clients find the daemon by CUDA_MPS_PIPE_DIRECTORY");
  found.fix = fmt::format("mount the daemon's directory, by hostPath or a shared volume, at {}",
                          *pipe->value);
  // The image's own entry point, or a script in it, may start one.
  found.pedantic =
      std::ranges::any_of(
          workload.command,
          [](const Word& word) { return word.text.ends_with(".sh") || is_shell(word.text); }) ||
      std::ranges::any_of(project.files,
                          [](const auto& one) { return starts_daemon(one->source.text()); });
}

/// Waits, and computes nothing: other containers are the daemon's clients.
bool only_waits_behind(const std::vector<ShellCommand>& commands, std::size_t daemon) {
  bool waits = false;
  for (std::size_t at = daemon + 1; at < commands.size(); ++at) {
    const std::string name = program_of(commands[at]).name;
    waits = waits || is_one_of(name, {"tail", "sleep", "wait"});
    if (!is_one_of(name, {"tail", "sleep", "wait", "echo", "trap", "nvidia-smi", "export", "while",
                          "nvidia-cuda-mps-control", "true", "printf", "exit", ""}))
      return false;
  }
  return waits;
}

/// The daemon in an image's entry point, in the directory that no other container has.
void judge_mps_daemon(const Project& project, const std::vector<FileView>& views,
                      const ProjectFile& file, FindingSink& sink) {
  const std::string_view text = file.source.text();
  if (!starts_daemon(text) || sets_directory(project)) return;
  const std::string_view name = file_name(file.source.path());
  const bool starts = std::ranges::any_of(views, [&](const FileView& view) {
    return std::ranges::any_of(image_command(view),
                               [&](const Word& word) { return file_name(word.text) == name; });
  });
  if (!starts) return;
  // A service has the usual directory as a volume.
  for (const auto& other : project.files)
    for (const Workload& one : other->workloads)
      if (mount_of(one, "/tmp/nvidia-mps") != nullptr) return;
  const std::vector<ShellCommand> commands = split_shell(text, {0, text.size()}).commands;
  for (std::size_t at = 0; at < commands.size(); ++at) {
    if (program_of(commands[at]).name != "nvidia-cuda-mps-control" ||
        !starts_daemon(file.source.slice(commands[at].span)))
      continue;
    Finding& found = sink.add(
        "mps-not-reached", file, commands[at].span,
        "the MPS daemon listens in /tmp/nvidia-mps of its own container: no other container "
        "reaches it");
    found.evidence.emplace_back(
        "NVIDIA, Multi-Process Service: clients find the daemon by CUDA_MPS_PIPE_DIRECTORY, "
        "/tmp/nvidia-mps by default");
    found.fix =
        "set CUDA_MPS_PIPE_DIRECTORY to a directory that the daemon and its clients have as a "
        "volume, and share the IPC namespace";
    found.pedantic = !only_waits_behind(commands, at);
    return;
  }
}

/// Words of a comment on the line of a place, or above it.
std::string_view comment_near(const ProjectFile& file, std::size_t at) {
  constexpr std::size_t kMostComment = 400;
  const std::size_t line = file.source.position(at).line;
  const std::string_view above =
      line > 1 ? file.source.line(line - 1).substr(0, kMostComment) : std::string_view();
  const std::size_t first = above.find_first_not_of(" \t");
  return first != above.npos && above[first] == '#' ? above : std::string_view();
}

/// -m of a command line whose comment says that it is meant for the GPU.
void judge_memory(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  if (workload.node != nullptr || !workload.memory_limit || workload.gpus.empty() ||
      !is_engine(workload.kind))
    return;
  const std::string comment(comment_near(file, workload.span.begin));
  if (!speaks_of_gpu_memory(comment)) return;
  const std::string_view text = file.source.slice(workload.span);
  // The engine's options come before those of the program.
  std::size_t at = std::min(text.find(" -m"), text.find(" --memory"));
  if (at == text.npos) return;
  ++at;
  const Span span{workload.span.begin + at,
                  workload.span.begin + std::min(text.find_first_of(" =\n", at), text.size())};
  Finding& found = sink.add("memory-limit-for-gpu", file, span,
                            fmt::format("{} limits the host's memory of {}, not the GPU's",
                                        file.source.slice(span), title(workload)));
  found.evidence.emplace_back("Docker documentation, docker run --memory: the memory cgroup");
  // Else the comment may say what the model needs.
  found.pedantic = !holds(comment, "limit") && !holds(comment, "restrict");
  found.fix =
      "limit it in the program (vLLM: --gpu-memory-utilization, PyTorch: "
      "set_per_process_memory_fraction), by MPS, or give a MIG device";
}

/// The sum of memory and swap may not be less than the memory: 0 is none stated.
void judge_swap(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  if (!workload.swap_limit || !workload.memory_limit || workload.swap_limit->first == 0 ||
      workload.swap_limit->first >= *workload.memory_limit)
    return;
  const bool compose = workload.kind == WorkloadKind::kCompose;
  Finding& found = sink.add(
      "syntax", file, workload.swap_limit->second,
      fmt::format("{} is memory and swap together, and less than the memory of {}: \"Minimum "
                  "memoryswap limit should be larger than memory limit\"",
                  compose ? "memswap_limit" : "--memory-swap", title(workload)));
  found.evidence = {"Docker documentation, docker run --memory-swap"};
  found.fix = "write the limit of the memory, for no swap, or delete it";
}

/// The variable of a service wins over that of its image.
void judge_capabilities(const Project& project, const ProjectFile& file, const Workload& workload,
                        FindingSink& sink) {
  const Variable* one = variable(workload, "NVIDIA_DRIVER_CAPABILITIES");
  if (one == nullptr || !one->value) return;
  const std::string& value = *one->value;
  const bool all = value == "all";
  if (!all && !(value.contains("graphics") && value.contains("display") && value.contains("video")))
    return;
  const knowledge::LaunchImageRow* image = known_image(workload, *project.knowledge);
  Finding& found =
      sink.add("driver-capabilities-all", file, one->span,
               fmt::format("{} gets the driver's graphics, display and video libraries too",
                           title(workload)));
  found.evidence = {fmt::format("NVIDIA_DRIVER_CAPABILITIES={}", value)};
  if (image != nullptr) found.evidence.push_back(image->source);
  found.fix = "list what is used: NVIDIA_DRIVER_CAPABILITIES=compute,utility";
}

}  // namespace

void judge_gpu_sharing(const Project& project, const std::vector<FileView>& views,
                       FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind == FileKind::kShell) judge_mps_daemon(project, views, *file, sink);
    for (const Workload& workload : file->workloads) {
      judge_mps(*file, workload, sink);
      judge_mps_of_pod(project, *file, workload, sink);
      judge_memory(*file, workload, sink);
      judge_swap(*file, workload, sink);
      judge_capabilities(project, *file, workload, sink);
    }
  }
}

}  // namespace flense::lint
