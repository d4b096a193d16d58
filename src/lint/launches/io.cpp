// Where data comes from and where results go: directories named by arguments and variables, checked
// against the mounts.
#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/own_images.h"
#include "lint/facts/workload_facts.h"
#include "lint/facts/workload_purpose.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

bool lies_below(std::string_view path, std::string_view directory) {
  const std::string a = normal_path(path), b = normal_path(directory);
  return a == b || (a.starts_with(b) && (b == "/" || a[b.size()] == '/'));
}

bool is_memory(MountKind kind) {
  return kind == MountKind::kTmpfs || kind == MountKind::kMemory;
}

/// The model of a hub that a server of language models is told to serve.
std::optional<Word> served_model(const std::vector<Word>& words) {
  bool server = false;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string_view name = file_name(words[at].text);
    const Word* value = nullptr;
    if (name == "vllm" && at + 2 < words.size() && words[at + 1].text == "serve")
      value = &words[at + 2];
    server = server || is_one_of(name, {"vllm.entrypoints.openai.api_server",
                                        "sglang.launch_server", "text-generation-launcher"});
    if (server && at + 1 < words.size() &&
        is_one_of(name, {"--model", "--model-path", "--model-id"}))
      value = &words[at + 1];
    if (value == nullptr) continue;
    Word model = *value;
    model.text = interpolate(model.text).value_or(std::string());
    if (is_hub_model(model.text)) return model;
  }
  return std::nullopt;
}

class IoRules {
 public:
  IoRules(FindingSink& sink, const Project& project, const std::vector<FileView>& views,
          const ProjectFile& file, const Workload& workload,
          const std::set<std::string_view>& network_volumes, bool copied_out)
      : sink_(sink),
        project_(project),
        views_(views),
        file_(file),
        workload_(workload),
        network_volumes_(network_volumes),
        copied_out_(copied_out),
        paths_(named_paths(workload, *project.knowledge)) {}

  void run() {
    for (const NamedPath& one : paths_) {
      if (one.name == "TRANSFORMERS_CACHE") deprecated(one);
      if (!is_plain_path(one.value)) continue;
      const WorkloadMount* mount = mount_of(workload_, one.value);
      if (one.means == "data" || one.means == "model") input(one, mount);
      if (mount == nullptr && one.means != "output") missing_input(one);
      if (one.means == "output") output(one, mount);
      if (one.means == "cache") cache(one.span, one.value, one.name, one.source, mount);
      if (one.means == "scratch") scratch(one, mount);
    }
    known_cache();
    cache_of_token();
    training_of_sagemaker();
    training_without_mounts();
  }

 private:
  /// --data-dir of a database names what it writes.
  bool is_python() const {
    if (!workload_.gpus.empty()) return true;
    return std::ranges::any_of(command_words(workload_), [](const Word& word) {
      const std::string_view name = file_name(word.text);
      return name.starts_with("python") || name.ends_with(".py") || name == "torchrun" ||
             name == "accelerate" || name == "deepspeed";
    });
  }

  bool is_apptainer() const {
    return workload_.kind == WorkloadKind::kApptainer || workload_.kind == WorkloadKind::kSrun;
  }
  /// Whether "nothing is mounted there" can be said: not of templates, nor where the engine mounts
  /// the caller's own directories.
  bool knows_mounts() const {
    return is_complete(file_, workload_) && !is_apptainer() && !workload_.unknown_options &&
           (workload_.node != nullptr
                ? workload_.node->find("volumes_from") == nullptr
                : !file_.source.slice(workload_.span).contains("--volumes-from")) &&
           std::ranges::none_of(workload_.mounts, [](const WorkloadMount& mount) {
             return mount.target.find_first_of("${%") != mount.target.npos;
           });
  }

  std::string read_only_words(const WorkloadMount& mount) const {
    switch (workload_.kind) {
      case WorkloadKind::kKubernetes:
        return "write readOnly: true into the volumeMount";
      case WorkloadKind::kCompose:
      case WorkloadKind::kQuadlet:
        return fmt::format("mount it read-only: {}:{}:ro", mount.source, mount.target);
      case WorkloadKind::kApptainer:
        return fmt::format("mount it read-only: --bind {}:{}:ro", mount.source, mount.target);
      case WorkloadKind::kSrun:
        return fmt::format("mount it read-only: --container-mounts={}:{}:ro", mount.source,
                           mount.target);
      default:
        return fmt::format("mount it read-only: -v {}:{}:ro", mount.source, mount.target);
    }
  }

  bool is_written(const WorkloadMount& mount) const {
    return std::ranges::any_of(paths_, [&](const NamedPath& one) {
      return (one.means == "output" || one.means == "cache" || one.means == "scratch") &&
             is_plain_path(one.value) &&
             (lies_below(one.value, mount.target) && mount_of(workload_, one.value) == &mount);
    });
  }

  void input(const NamedPath& one, const WorkloadMount* mount) {
    if (mount == nullptr) return;
    if (one.means == "data") network(one, *mount);
    if (one.means == "data" && one.name.starts_with("--") && !is_python()) return;
    const bool shared = mount->kind == MountKind::kBind || mount->kind == MountKind::kVolume ||
                        mount->kind == MountKind::kClaim || mount->kind == MountKind::kOther;
    if (!shared || mount->read_only || is_written(*mount)) return;
    // A claim whose mode is not given here may itself be read-only.
    Finding& found =
        sink_.add(one.means == "data" ? "data-writable" : "model-writable", file_, mount->span,
                  fmt::format("{} reads its {} from {} ({}) and may write there", title(workload_),
                              one.means == "data" ? "data" : "model", one.value, one.name));
    found.evidence.push_back(one.source);
    found.fix = read_only_words(*mount);
    add_read_only(found, *mount);
  }

  /// What is read has to come from somewhere: an image that its publisher made does not hold it.
  void missing_input(const NamedPath& one) {
    const bool checkpoint = one.means == "checkpoint";
    if ((!checkpoint && one.means != "model" && !(one.means == "data" && is_python())) ||
        !knows_mounts() || !one.name.starts_with("--") || is_filled(one.value))
      return;
    const knowledge::LaunchImageRow* image = known_image(workload_, *project_.knowledge);
    const bool published =
        image != nullptr && !image->role.empty() && !workload_.build_context && !fetches();
    Finding& found = sink_.add(
        "input-not-mounted", file_, one.span,
        fmt::format(
            "{} names {} ({}), where nothing is mounted: {}", title(workload_), one.value, one.name,
            checkpoint  ? "what is written there goes with the container"
            : published ? fmt::format("{} does not hold it", workload_.image_name->familiar())
                        : "only what the image holds is there"));
    found.evidence.push_back(one.source);
    const std::string directory = directory_of(one.value);  // of a file
    const bool is_file = file_name(one.value).contains('.') && directory.size() > 1;
    found.fix = mount_words(is_file ? directory : one.value, "HOST_DIRECTORY");
  }

  /// What is mounted below the directory is in it.
  bool is_filled(std::string_view directory) const {
    const std::string path = normal_path(directory);
    return std::ranges::any_of(workload_.mounts, [&](const WorkloadMount& mount) {
      const std::string target = normal_path(mount.target);
      return target.size() > path.size() && lies_in(target, path);
    });
  }

  /// The command brings its files itself.
  bool fetches() const {
    return std::ranges::any_of(command_words(workload_), [](const Word& word) {
      return is_tool(word.text) || is_one_of(word.text, {"aws", "gsutil", "hf", "rclone"}) ||
             (!word.text.starts_with('-') && word.text.contains("download"));
    });
  }

  /// ":ro" behind a short mount of Compose.
  void add_read_only(Finding& found, const WorkloadMount& mount) {
    const std::string_view text = file_.source.slice(mount.span);
    if (workload_.kind != WorkloadKind::kCompose || text.find('\n') != text.npos ||
        text != fmt::format("{}:{}", mount.source, mount.target))
      return;
    found.edits.push_back({{mount.span.end, mount.span.end}, ":ro"});
  }

  void network(const NamedPath& one, const WorkloadMount& mount) {
    if (!is_network(mount)) return;
    const std::string text = one.value + mount.source;
    static constexpr std::array<std::string_view, 11> kSmallFiles = {
        "imagenet", "ImageNet", "coco", "images", "jpeg", "frames",
        "celeba",   "audio",    "wav",  "cifar",  "laion"};
    const auto word = std::ranges::find_if(
        kSmallFiles, [&](std::string_view name) { return text.find(name) != text.npos; });
    if (word == kSmallFiles.end()) return;
    Finding& found =
        sink_.add("small-files-on-network", file_, mount.span,
                  fmt::format("{} reads many small files ({}) over the network from {}",
                              title(workload_), *word, mount.source));
    found.evidence.push_back(one.source);
    found.fix =
        "pack them into shards (WebDataset tar files, Parquet, a squashfs image), or copy them to "
        "a local disk before the first epoch";
  }

  bool is_network(const WorkloadMount& mount) const {
    if (mount.kind == MountKind::kOther && mount.source.find(':') != mount.source.npos) return true;
    if (mount.kind == MountKind::kBind) {
      for (const std::string_view prefix :
           {"/nfs", "/mnt/nfs", "/efs", "/mnt/efs", "/lustre", "/mnt/lustre", "/gpfs", "/beegfs",
            "/net/", "/mnt/smb", "/mnt/cifs", "/mnt/nas"})
        if (mount.source.starts_with(prefix)) return true;
      return false;
    }
    return mount.kind == MountKind::kVolume && network_volumes_.contains(mount.source);
  }

  /// --output-dir and OUTPUT_DIR of a server are its scratch space, --logdir of TensorBoard is what
  /// it reads.
  bool names_results(const NamedPath& one) const {
    return is_python() ||
           !(starts_with_any(one.name, {"--out", "--log"}) || one.name == "OUTPUT_DIR");
  }

  /// The command uploads its results, or another container of the pod has the volume too.
  bool sends_results(const WorkloadMount* mount) const {
    constexpr auto kUploads =
        std::to_array<std::string_view>({"push_to_hub", "push-to-hub", "hub_model_id", "s3://",
                                         "gs://", "gsutil", "rclone", "azcopy", "upload"});
    if (std::ranges::any_of(command_words(workload_), [&](const Word& word) {
          return std::ranges::any_of(kUploads,
                                     [&](std::string_view one) { return word.text.contains(one); });
        }))
      return true;
    return mount != nullptr && workload_.pod != nullptr &&
           std::ranges::any_of(file_.workloads, [&](const Workload& other) {
             return &other != &workload_ && other.pod == workload_.pod && !other.init_container &&
                    std::ranges::any_of(other.mounts, [&](const WorkloadMount& its) {
                      return its.kind == mount->kind && its.source == mount->source;
                    });
           });
  }

  void output(const NamedPath& one, const WorkloadMount* mount) {
    if (sends_results(mount)) return;
    if (mount == nullptr) {
      if (!knows_mounts()) return;
      Finding& found = sink_.add(
          "output-in-container", file_, one.span,
          fmt::format("{} writes to {} ({}), where nothing is mounted: the results go with the "
                      "container",
                      title(workload_), one.value, one.name));
      found.cause = "results";  // one for all that a file starts
      found.evidence.push_back(one.source);
      found.fix = mount_words(one.value, "results");
      return;
    }
    if (mount->kind != MountKind::kEmptyDir && !is_memory(mount->kind)) return;
    Finding& found =
        sink_.add("output-in-emptydir", file_, one.span,
                  fmt::format("{} writes to {} ({}), which lies {}: the results go with the {}",
                              title(workload_), one.value, one.name,
                              mount->kind == MountKind::kEmptyDir ? "in an emptyDir" : "in memory",
                              workload_.kind == WorkloadKind::kKubernetes ? "pod" : "container"));
    found.evidence.push_back(one.source);
    // By its name it is no place for results.
    found.pedantic = copied_out_ || !names_results(one) ||
                     has_part(one.value, "/", {"tmp", "scratch", "cache", "shm"});
    found.fix = mount_words(one.value, "results");
  }

  std::string mount_words(std::string_view path, std::string_view name) const {
    const bool own = name != "HOST_DIRECTORY";  // a volume that the engine makes
    switch (workload_.kind) {
      case WorkloadKind::kKubernetes:
        return fmt::format("mount a persistentVolumeClaim at {}", path);
      case WorkloadKind::kQuadlet:
        return fmt::format("write Volume={}{}:{}", name, own ? ".volume" : "", path);
      case WorkloadKind::kCompose:
        return fmt::format(
            "add {}:{} to its volumes{}", name, path,
            own ? fmt::format(", and declare {} under the file's volumes", name) : std::string());
      case WorkloadKind::kApptainer:
        return fmt::format("add --bind {}:{}", name, path);
      case WorkloadKind::kSrun:
        return fmt::format("add --container-mounts=/shared/{}:{}", name, path);
      default:
        return fmt::format("add -v {}:{}", name, path);
    }
  }

  void cache(Span span, std::string_view path, std::string_view name, const std::string& source,
             const WorkloadMount* mount) {
    if (mount == nullptr) {
      if (!knows_mounts()) return;
      Finding& found = sink_.add(
          "cache-in-container", file_, span,
          fmt::format("{} keeps downloads in {} ({}), where nothing is mounted: every new "
                      "container fetches them again",
                      title(workload_), path, name));
      found.evidence.push_back(source);
      found.fix = mount_words(path, "model-cache");
      return;
    }
    if (workload_.kind != WorkloadKind::kKubernetes || mount->kind != MountKind::kEmptyDir ||
        !file_.template_language.empty())
      return;
    // Compiled kernels are rebuilt in seconds; losing models is what hurts.
    if (name.find("TRITON") != name.npos || name.find("INDUCTOR") != name.npos ||
        name.find("NUMBA") != name.npos)
      return;
    Finding& found =
        sink_.add("cache-in-emptydir", file_, span,
                  fmt::format("{} keeps downloads in {} ({}), an emptyDir: every new pod "
                              "fetches them again",
                              title(workload_), path, name));
    found.evidence.push_back(source);
    found.fix = mount_words(path, "model-cache");
  }

  /// A server of a hub's model in an image that no table knows: by its program, or that of the
  /// Dockerfile.
  void cache_of_server() {
    const FileView* own = own_image(views_, project_, workload_);
    std::vector<Word> words = command_words(workload_);
    if (words.empty() && own != nullptr) words = image_command(*own);
    const std::optional<Word> model = served_model(words);
    if (!model || !knows_mounts() || !has_no_storage() || !is_engine(workload_.kind) ||
        variable(workload_, "HF_HUB_OFFLINE") != nullptr ||
        std::ranges::any_of(paths_, [](const NamedPath& one) { return one.means == "cache"; }) ||
        (own != nullptr && own->file->source.text().contains("download")))
      return;
    const bool here = model->span.end <= file_.source.text().size() &&
                      file_.source.slice(model->span) == model->text;
    cache(here ? model->span : workload_.span, "/root/.cache/huggingface", model->text,
          "huggingface_hub: downloads are kept in ~/.cache/huggingface", nullptr);
  }

  /// A known image downloads to its usual place, which no variable moves.
  void known_cache() {
    const knowledge::LaunchImageRow* image = known_image(workload_, *project_.knowledge);
    if (image == nullptr) return cache_of_server();
    if (image->cache.empty()) return;
    const bool moved =
        std::ranges::any_of(paths_, [](const NamedPath& one) { return one.means == "cache"; });
    const auto model = std::ranges::find_if(paths_, [](const NamedPath& one) {
      return one.means == "model" && is_hub_model(one.value);
    });
    if (moved || model == paths_.end()) return;
    cache(model->span, image->cache, model->name, image->source, mount_of(workload_, image->cache));
  }

  /// Whether the container has none of the caller's directories, nor a volume.
  bool has_no_storage() const {
    return std::ranges::none_of(workload_.mounts, [](const WorkloadMount& mount) {
      return !is_memory(mount.kind) && !mount.source.ends_with(".sock") &&
             !starts_with_any(mount.source, {"/dev", "/etc/", "/sys", "/tmp/.X11-unix"});
    });
  }

  /// A server that is given a token of the hub for what it downloads, and nothing that lasts.
  void cache_of_token() {
    const auto token = std::ranges::find_if(workload_.variables, [](const Variable& one) {
      return is_one_of(one.name, {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN",
                                  "HUGGINGFACE_TOKEN", "HUGGINGFACE_API_TOKEN"});
    });
    if (token == workload_.variables.end() || workload_.gpus.empty() ||
        !is_engine(workload_.kind) || !knows_mounts() || !has_no_storage() ||
        std::ranges::any_of(paths_, [](const NamedPath& one) {
          return one.means == "cache" || one.means == "model";
        }))
      return;
    Finding& found = sink_.add(
        "cache-in-container", file_, token->span,
        fmt::format("{} gets {} for what it downloads, and nothing is mounted: every new container "
                    "fetches its models again",
                    title(workload_), token->name));
    found.evidence.emplace_back("huggingface_hub: downloads are kept in ~/.cache/huggingface");
    found.fix = mount_words("/root/.cache/huggingface", "model-cache");
  }

  /// Its checkpoints and logs are the reason to start a training.
  void training_without_mounts() {
    if (!is_engine(workload_.kind) || !knows_mounts() || !has_no_storage() || copied_out_ ||
        sends_results(nullptr) || is_client(workload_) || uses_tool(workload_) ||
        std::ranges::any_of(paths_, [](const NamedPath& one) { return one.means == "output"; }))
      return;
    std::vector<Word> words = command_words(workload_);
    const FileView* own = own_image(views_, project_, workload_);
    if (words.empty() && own != nullptr) words = image_command(*own);
    const Word* script = training_word(words);
    if (script == nullptr || std::ranges::any_of(words, [](const Word& word) {
          return is_one_of(word.text, {"--help", "-h", "pytest"});
        }))
      return;
    Finding& found = sink_.add(
        "output-in-container", file_, workload_.span,
        fmt::format("{} trains ({}), and nothing is mounted: its checkpoints and logs go with the "
                    "container",
                    title(workload_), file_name(script->text)));
    found.cause = "results";
    found.evidence.push_back(script->text);
    found.fix = "mount what the training reads, and a directory for what it writes";
  }

  /// A training image of SageMaker's form, started by hand: it reads /opt/ml/input, and leaves its
  /// model in /opt/ml/model.
  void training_of_sagemaker() {
    constexpr std::string_view kModel = "/opt/ml/model";
    const auto input = std::ranges::find_if(workload_.mounts, [](const WorkloadMount& one) {
      return lies_below(one.target, "/opt/ml/input");
    });
    if (input == workload_.mounts.end() || !knows_mounts() ||
        mount_of(workload_, kModel) != nullptr ||
        std::ranges::none_of(command_words(workload_),
                             [](const Word& word) { return word.text == "train"; }))
      return;
    Finding& found = sink_.add(
        "output-in-container", file_, input->span,
        fmt::format("{} reads its data from a mount and leaves its model in {}, where nothing is "
                    "mounted: it goes with the container",
                    title(workload_), kModel));
    found.evidence.emplace_back("Amazon SageMaker documentation: directories of training images");
    found.fix = mount_words(kModel, "model");
  }

  void scratch(const NamedPath& one, const WorkloadMount* mount) {
    if (mount != nullptr || !knows_mounts()) return;
    Finding& found =
        sink_.add("scratch-in-container", file_, one.span,
                  fmt::format("{} keeps scratch files in {} ({}), on the container's overlay",
                              title(workload_), one.value, one.name));
    found.evidence.push_back(one.source);
    found.fix = workload_.kind == WorkloadKind::kKubernetes
                    ? fmt::format("mount an emptyDir with a sizeLimit at {}", one.value)
                    : mount_words(one.value, "scratch");
  }

  void deprecated(const NamedPath& one) {
    Finding& found = sink_.add("transformers-cache", file_, one.span,
                               "TRANSFORMERS_CACHE is deprecated, and ignored by Transformers 5");
    found.evidence.push_back(one.source);
    found.fix = "write HF_HUB_CACHE for this directory, or HF_HOME for the one above it";
    const Span name{one.span.begin, one.span.begin + one.name.size()};
    if (file_.source.slice(name) == one.name && variable(workload_, "HF_HUB_CACHE") == nullptr)
      found.edits.push_back({name, "HF_HUB_CACHE"});
  }

  FindingSink& sink_;
  const Project& project_;
  const std::vector<FileView>& views_;
  const ProjectFile& file_;
  const Workload& workload_;
  const std::set<std::string_view>& network_volumes_;
  bool copied_out_;
  std::vector<NamedPath> paths_;
};

/// Where clusters keep what all their nodes see.
bool is_shared_path(std::string_view path, bool batch) {
  // A disk of the node's own.
  if (path.contains("local") || path.contains("JOB")) return false;
  for (const std::string_view prefix :
       {"/lustre",     "/gpfs",       "/beegfs",     "/fsx",       "/nfs",
        "/efs",        "/mnt/lustre", "/mnt/beegfs", "/mnt/nfs",   "/mnt/efs",
        "/scratch/",   "/project/",   "$SCRATCH",    "${SCRATCH}", "$PSCRATCH",
        "${PSCRATCH}", "$WORK",       "${WORK}",     "$PROJECT",   "${PROJECT}"})
    if (path.starts_with(prefix)) return true;
  if (!batch) return false;
  return path.starts_with("/home") || path.starts_with("$HOME") || path.starts_with("~");
}

/// A job's script, or one that submits jobs.
bool is_of_cluster(const ProjectFile& file) {
  const std::string_view text = file.source.text();
  return is_script(file.kind) &&
         (text.contains("\n#SBATCH") || text.contains("\nsbatch ") || text.starts_with("sbatch "));
}

/// Python opens thousands of files at each start of each rank. `cluster`: other scripts of the
/// project are of one.
void sandboxes(const ProjectFile& file, bool cluster, FindingSink& sink) {
  if (!is_script(file.kind)) return;
  const bool batch = file.source.text().contains("\n#SBATCH");
  const auto report = [&](const Word& word) {
    Finding& found = sink.add(
        "sandbox-on-shared-file-system", file, word.span,
        fmt::format("{} is a directory of many small files on a file system that all nodes share: "
                    "each rank opens thousands of them",
                    word.text));
    found.evidence.emplace_back(
        "Apptainer documentation: a SIF image is one file, mounted as squashfs; a sandbox is a "
        "directory");
    found.fix = "build a SIF file (apptainer build image.sif …), or the sandbox on a local disk";
    // It may be built on a machine of one's own.
    found.pedantic = !is_shared_path(word.text, batch);
  };
  for (const Word& one : file.names.sandboxes)
    if (is_shared_path(one.text, cluster)) return report(one);
  for (const Workload& workload : file.workloads)
    // A job begins in the directory where it was submitted, which all nodes see.
    if (workload.kind == WorkloadKind::kApptainer && workload.image.text.contains("sandbox") &&
        !workload.image.text.contains("://") && !workload.image.text.ends_with(".sif") &&
        (is_shared_path(workload.image.text, cluster || batch) ||
         (batch && workload.image.text.find_first_of("/$~") != 0)))
      return report(workload.image);
}

/// Named volumes of a Compose file whose driver mounts NFS or CIFS.
std::set<std::string_view> network_volumes(const ProjectFile& file) {
  std::set<std::string_view> out;
  if (file.kind != FileKind::kCompose || file.yaml == nullptr) return out;
  for (const text::YamlNode* document : file.yaml->documents)
    for (const text::YamlMember& volume : (*document)["volumes"].members) {
      const std::string_view type = (*volume.value)["driver_opts"]["type"].text_or();
      if (type.starts_with("nfs") || type == "cifs") out.insert(volume.key);
    }
  return out;
}

/// Somebody fetches results from containers: `docker cp NAME:/results .`
bool copies_out(const Project& project) {
  return std::ranges::any_of(project.files, [](const auto& file) {
    if (!is_script(file->kind) && file->kind != FileKind::kWorkflow) return false;
    const std::string_view text = file->source.text();
    return std::ranges::any_of(
        std::to_array<std::string_view>({"docker cp ", "podman cp ", "kubectl cp ", "oc cp ",
                                         "compose cp ", "docker container cp ", "oc rsync "}),
        [&](std::string_view command) { return text.contains(command); });
  });
}

}  // namespace

void judge_io(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  const bool copied_out = copies_out(project);
  const bool cluster =
      std::ranges::any_of(project.files, [](const auto& file) { return is_of_cluster(*file); });
  for (const auto& file : project.files) {
    // Containers of a test: what they write is copied out, or of no further use.
    if (file->kind == FileKind::kWorkflow) continue;
    sandboxes(*file, cluster, sink);
    const std::set<std::string_view> network = network_volumes(*file);
    for (const Workload& workload : file->workloads)
      if (!workload.init_container)
        IoRules(sink, project, views, *file, workload, network, copied_out).run();
  }
}

}  // namespace flense::lint
