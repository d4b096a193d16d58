// Shared memory of processes that exchange data through it: the loaders of a framework, the ranks
// of NCCL. Container engines and Kubernetes give 64 MiB.
#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/inserted_line.h"
#include "lint/facts/own_images.h"
#include "lint/facts/workload_facts.h"
#include "lint/facts/workload_purpose.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Servers of the web start processes that share nothing. What pip installs is not started.
bool is_web_server(const std::vector<Word>& words) {
  bool installed = false;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string_view word = words[at].text, name = file_name(word);
    installed = (installed && !is_one_of(word, {"&&", "||", ";", "|"})) ||
                (word == "install" && at > 0 && words[at - 1].text.starts_with("pip"));
    if (!installed &&
        (is_one_of(name, {"uvicorn", "gunicorn", "hypercorn", "granian", "daphne", "fastapi",
                          "flask", "celery", "uvicorn.workers.UvicornWorker"}) ||
         (name.ends_with(".py") && name.contains("serv"))))
      return true;
    installed = installed && !word.ends_with(';');
  }
  return false;
}

/// One or none; a default of a variable counts: "${WORKERS:-1}".
bool is_single(std::string_view value) {
  if (value.starts_with("${")) {
    const std::size_t otherwise = value.find(":-");
    if (otherwise == value.npos) return false;
    value = value.substr(otherwise + 2, value.find('}') - otherwise - 2);
  }
  return value == "0" || value == "1";
}

/// A program that trains: its loaders are workers unless it is told otherwise.
bool trains(const std::vector<Word>& words) {
  return training_word(words) != nullptr;
}

bool starts_python(const std::vector<Word>& words) {
  return std::ranges::any_of(words, [](const Word& word) {
    return file_name(word.text).starts_with("python") || word.text.ends_with(".py");
  });
}

/// Whether the launcher at a word starts one process: torchrun does unless it is told otherwise,
/// others one for each GPU.
bool starts_one(const std::vector<Word>& words, std::size_t launcher, const Workload& workload) {
  const Variable* seen = variable(workload, "CUDA_VISIBLE_DEVICES");
  const bool one_gpu = (gpu_count(workload) == 1 && !takes_all_gpus(workload)) ||
                       (seen != nullptr && seen->value && !seen->value->contains(','));
  const std::string_view program = file_name(words[launcher].text);
  for (std::size_t at = launcher + 1; at < words.size(); ++at) {
    const std::string_view word = words[at].text;
    const std::size_t equals = word.find('=');
    if (word.ends_with(".py") && program != "mpirun") break;  // what follows is the program's
    const bool of_mpirun = program == "mpirun" && is_one_of(word, {"-np", "-n"});
    if (!of_mpirun && !is_one_of(word.substr(0, equals),
                                 {"--nproc_per_node", "--nproc-per-node", "--num_processes",
                                  "--num-processes", "--num_gpus", "--num-gpus"}))
      continue;
    const std::string_view value = equals != word.npos     ? word.substr(equals + 1)
                                   : at + 1 < words.size() ? std::string_view(words[at + 1].text)
                                                           : std::string_view();
    return is_one_of(value, {"gpu", "auto"}) ? one_gpu : is_single(value);
  }
  if (program == "mpirun") return false;
  // Who names two GPUs means to use them.
  return is_one_of(program, {"accelerate", "deepspeed"}) ? one_gpu : gpu_count(workload) < 2;
}

/// Several processes that share memory, by their words: the workers of a loader or of NCCL.
struct Sharing {
  std::string why;       ///< empty: there are none
  bool sure = false;     ///< they are ranks of one program; what workers exchange nobody knows
  bool loaders = false;  ///< a script trains, and may have workers that load
};

/// The repository of a container's image, or of what the project builds it on.
std::string base_of(const Workload& workload, const FileView* own) {
  if (own != nullptr) return own->stages.back().image.repository;
  return workload.image_name ? workload.image_name->familiar() : std::string();
}

/// NGC's images of frameworks say at their start that 64 MiB "may be insufficient".
bool is_of_ngc_frameworks(std::string_view repository) {
  return is_one_of(repository,
                   {"nvcr.io/nvidia/pytorch", "nvcr.io/nvidia/tensorflow", "nvcr.io/nvidia/mxnet",
                    "nvcr.io/nvidia/nemo", "nvcr.io/nvidia/pyg", "nvcr.io/nvidia/dgl"});
}

Sharing why_shared(const Workload& workload, const knowledge::LaunchImageRow* row,
                   const FileView* own) {
  std::vector<Word> words = command_words(workload);
  const bool passed_on = std::ranges::all_of(
      words, [](const Word& word) { return is_one_of(word.text, {"$@", "$*", "${@}"}); });
  if (passed_on && own != nullptr) words = image_command(*own);
  const bool web = is_web_server(words);
  bool alone = false;  // told to load in the process that trains
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string_view word = words[at].text;
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    if (is_one_of(file_name(name), {"torchrun", "deepspeed", "accelerate", "mpirun",
                                    "torch.distributed.run", "torch.distributed.launch"})) {
      if (starts_one(words, at, workload)) continue;
      // Ranks of MPI alone exchange little there, and a look at the launcher starts none.
      if ((file_name(name) == "mpirun" && !starts_python(words)) ||
          is_one_of(words.back().text, {"--help", "--version", "config", "env"}))
        continue;
      return {fmt::format("the command has {}", file_name(name)), true};
    }
    const bool workers = is_one_of(name, {"--num-workers", "--num_workers", "--workers"});
    if (!workers && !is_one_of(name, {"--nproc_per_node", "--nproc-per-node", "--tp", "--tp-size",
                                      "--tensor-parallel-size", "--num-shard"}))
      continue;
    const std::string_view value = equals != word.npos     ? word.substr(equals + 1)
                                   : at + 1 < words.size() ? std::string_view(words[at + 1].text)
                                                           : std::string_view();
    alone = alone || (workers && value == "0");
    // A loader's only worker is a process beside the one that trains.
    if ((workers && (web || value == "0")) || (!workers && is_single(value))) continue;
    return {fmt::format("the command has {}", name), !workers};
  }
  if (gpu_count(workload) > 1)
    return {fmt::format("it takes {} GPUs", gpu_count(workload)),
            row != nullptr && (row->shm || row->role == "serve")};
  // Servers use it for several GPUs alone.
  if (row != nullptr && row->shm && row->role != "serve" && !web && !alone)
    return {row->source, trains(words), true};
  if (own != nullptr && !web && !alone && trains(words))
    if (const std::string torch = torch_of_image(*own); !torch.empty()) return {torch, false, true};
  const bool on_gpu = !workload.gpus.empty() || workload.runtime;
  const std::string base = base_of(workload, own);
  if (on_gpu && !web && !alone && is_of_ngc_frameworks(base))
    return {base + " asks for --ipc=host or --shm-size when it starts", false, true};
  // Notebooks train.
  const bool notebook = std::ranges::any_of(words, [](const Word& word) {
    return is_one_of(file_name(word.text), {"jupyter", "jupyter-lab", "jupyter-notebook"});
  });
  if (on_gpu && notebook && !alone)
    if (const std::string torch = own != nullptr ? torch_of_image(*own) : std::string();
        !torch.empty() || base == "pytorch/pytorch")
      return {torch.empty() ? base : torch, false, true};
  // Who made the image is not known here; a stage of the project's own without a GPU may train
  // with anything.
  if (row == nullptr && own == nullptr && !web && !alone && trains(words) &&
      (on_gpu || !workload.build_context))
    return {"PyTorch's loaders hand their batches over in shared memory", false};
  return {};
}

void judge_engine(const Project& project, const std::vector<FileView>& views,
                  const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  const auto key = [&](std::string_view name) {
    return workload.node == nullptr ? nullptr : workload.node->find(name);
  };
  const bool asks =
      !workload.gpus.empty() || (workload.runtime && workload.runtime->text == "nvidia");
  // A training whose GPU was forgotten loads its data in the same way.
  if (!is_engine(workload.kind) || workload.host_ipc || !is_complete(file, workload) ||
      (!asks && (!trains(command_words(workload)) || is_for_processor(workload))))
    return;
  // That of another container, or a value that is not known here.
  const text::YamlNode *ipc = key("ipc"), *size = key("shm_size");
  if (ipc != nullptr && ipc->text_or() != "private") return;
  if (size != nullptr && !workload.shm_bytes) return;
  if (mount_of(workload, "/dev/shm") != nullptr) return;
  const Sharing shared = why_shared(workload, known_image(workload, *project.knowledge),
                                    own_image(views, project, workload));
  constexpr std::uint64_t kEnough = std::uint64_t{1} << 30;
  if (shared.why.empty() || workload.shm_bytes.value_or(0) >= kEnough) return;
  Finding& found =
      sink.add("shm-too-small", file, size != nullptr ? span_of(size->at) : workload.span,
               fmt::format("{} has {} of shared memory, and {}", title(workload),
                           workload.shm_bytes ? human_bytes(*workload.shm_bytes)
                                              : std::string("the default 64 MiB"),
                           shared.loaders ? "workers of a DataLoader hand their batches over in it"
                                          : "its processes exchange data through it"));
  found.evidence.push_back(shared.why);
  found.pedantic = !asks || !shared.sure || workload.unknown_options ||
                   is_added_elsewhere(project, file, workload, [](const Workload& one) {
                     return one.shm_bytes.has_value() || one.host_ipc;
                   });
  found.fix = workload.kind == WorkloadKind::kCompose   ? "write shm_size: 8gb"
              : workload.kind == WorkloadKind::kQuadlet ? "write ShmSize=8g"
                                                        : "add --shm-size=8g";
  if (size != nullptr) {
    found.edits.push_back({span_of(size->at), "8gb"});
  } else if (workload.kind == WorkloadKind::kCompose && workload.node != nullptr) {
    const std::size_t at = workload.node->at.begin;
    if (file.source.slice({at, at + 1}) != "{")
      if (auto edit = line_above(file.source, at, "shm_size: 8gb"))
        found.edits.push_back(*std::move(edit));
  }
}

void judge_memory_volumes(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  for (const WorkloadMount& mount : workload.mounts) {
    if (mount.kind != MountKind::kMemory || mount.bytes || workload.gpus.empty()) continue;
    Finding& found =
        sink.add("kubernetes-memory-volume", file, mount.span,
                 fmt::format("the memory volume at {} has no sizeLimit", mount.target));
    found.evidence.emplace_back(
        "Kubernetes documentation, emptyDir: what is written to medium Memory counts as the "
        "container's memory");
    found.fix = "write emptyDir: {medium: Memory, sizeLimit: 8Gi}, below the memory limit";
  }
}

/// A container that only waits for somebody, or looks at its GPUs.
bool only_waits(const Workload& workload) {
  for (const Word& word : command_words(workload))
    if (!word.text.starts_with('-') && !is_shell(file_name(word.text)) &&
        !is_one_of(word.text, {"while", "true", "true;", ":;", "do"}))
      return is_one_of(file_name(word.text), {"sleep", "tail", "nvidia-smi", "rocm-smi"});
  return false;
}

/// Objects whose operator mounts a memory volume at /dev/shm itself.
bool operator_mounts_memory(const Workload& workload) {
  return workload.object != nullptr &&
         is_one_of((*workload.object)["kind"].text_or(),
                   {"RayCluster", "RayJob", "RayService", "DynamoGraphDeployment",
                    "DynamoComponentDeployment"});
}

/// Requests and limits of a GPU have to be equal: where one is requested, one may be meant.
bool requests_one(const Workload& workload) {
  const text::YamlNode& resources = (*workload.node)["resources"];
  return std::ranges::any_of(workload.gpus, [&](const GpuAsk& ask) {
    const text::YamlNode* request = resources["requests"].find(ask.resource);
    return request != nullptr && request->text_or() == "1";
  });
}

/// An object that ends, as a training does: not a server, nor a place to work in.
bool is_job(const Workload& workload) {
  return workload.object != nullptr && (*workload.object)["kind"].text_or().ends_with("Job");
}

/// Frameworks whose loaders are threads.
bool loads_in_threads(const Workload& workload) {
  const std::string image = to_lower(workload.image.text);
  return (*workload.object)["kind"].text_or() == "TFJob" ||
         std::ranges::any_of(
             std::to_array<std::string_view>({"tensorflow", "keras", "jax", "xgboost", "rapids"}),
             [&](std::string_view name) { return image.contains(name); });
}

/// Why a job with one GPU shares memory: it trains, and its loaders are processes.
std::string why_loaders_share(const Project& project, const std::vector<FileView>& views,
                              const Workload& workload) {
  const std::vector<Word> words = command_words(workload);
  if (!is_job(workload) || workload.gpus.empty() || !trains(words) || loads_in_threads(workload) ||
      is_for_processor(workload))
    return {};
  return why_shared(workload, known_image(workload, *project.knowledge),
                    own_image(views, project, workload))
      .why;
}

void judge_pod(const Project& project, const std::vector<FileView>& views, const ProjectFile& file,
               const Workload& workload, FindingSink& sink) {
  // A server that does not use it.
  const knowledge::LaunchImageRow* image = known_image(workload, *project.knowledge);
  if (image != nullptr && image->role == "serve" && !image->shm && !image->large) return;
  if (workload.host_ipc || only_waits(workload) || operator_mounts_memory(workload) ||
      !is_complete(file, workload))
    return;
  const bool several = gpu_count(workload) > 1;
  if (several && requests_one(workload)) return;
  const std::string loaders = several ? std::string() : why_loaders_share(project, views, workload);
  if (!several && loaders.empty()) return;
  const WorkloadMount* shm = mount_of(workload, "/dev/shm");
  if (shm != nullptr || is_patched(project, workload, {"volumeMounts"})) return;
  Finding& found = sink.add(
      "kubernetes-shm", file, workload.span,
      several ? fmt::format("{} has {} GPUs and the default /dev/shm of 64 MiB", title(workload),
                            gpu_count(workload))
              : fmt::format("{} trains with the default /dev/shm of 64 MiB, and workers of a "
                            "DataLoader hand their batches over in it",
                            title(workload)));
  found.evidence.push_back(
      several ? "NCCL documentation, Troubleshooting: shared memory between the processes of a node"
              : loaders);
  found.fix =
      "add a volume {name: shm, emptyDir: {medium: Memory, sizeLimit: 8Gi}} and mount it at "
      "/dev/shm; what is written there counts as the container's memory";
}

/// Clients of an MPS server share memory with it by the node's namespace.
bool uses_mps(const Workload& workload) {
  return workload.image.text.contains("mps") ||
         std::ranges::any_of(
             workload.variables,
             [](const Variable& one) { return one.name.starts_with("CUDA_MPS"); }) ||
         std::ranges::any_of(workload.mounts, [](const WorkloadMount& one) {
           return one.source.contains("mps") || one.target.contains("mps");
         });
}

void judge_host_ipc(const ProjectFile& file, const Workload& workload, FindingSink& sink) {
  if (uses_mps(workload)) return;
  Finding& found =
      sink.add("kubernetes-host-ipc", file, span_of(workload.pod->member("hostIPC")->at),
               "the pod takes the node's IPC namespace; shared memory does not need that");
  found.evidence.emplace_back(
      "Kubernetes documentation, Pod Security Standards: hostIPC is forbidden from Baseline on");
  // With more of the node's namespaces it is a part of the node, on purpose; with shared memory of
  // its own it wants the others' CUDA memory.
  found.pedantic = (*workload.pod)["hostNetwork"].text_or() == "true" ||
                   (*workload.pod)["hostPID"].text_or() == "true" ||
                   mount_of(workload, "/tmp/.X11-unix") != nullptr ||  // MIT-SHM
                   mount_of(workload, "/dev/shm") != nullptr;
  found.fix = "delete hostIPC and mount emptyDir: {medium: Memory, sizeLimit: 8Gi} at /dev/shm";
}

void judge_kubernetes(const Project& project, const std::vector<FileView>& views,
                      const ProjectFile& file, FindingSink& sink) {
  std::set<const text::YamlNode*> pods;
  for (const Workload& workload : file.workloads) {
    if (workload.node == nullptr || workload.pod == nullptr) continue;
    if (!workload.init_container) {
      judge_memory_volumes(file, workload, sink);
      judge_pod(project, views, file, workload, sink);
    }
    if (workload.host_ipc && !workload.gpus.empty() && pods.insert(workload.pod).second)
      judge_host_ipc(file, workload, sink);
  }
}

}  // namespace

void judge_shared_memory(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind == FileKind::kKubernetes) judge_kubernetes(project, views, *file, sink);
    for (const Workload& workload : file->workloads)
      judge_engine(project, views, *file, workload, sink);
  }
}

}  // namespace flense::lint
