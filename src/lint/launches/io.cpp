// Where data comes from and where results go: directories named by arguments and variables, checked
// against the mounts.
#include <algorithm>
#include <array>
#include <set>

#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/own_images.h"
#include "lint/facts/workload_facts.h"
#include "lint/facts/workload_purpose.h"
#include "lint/launches/storage.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

bool lies_below(std::string_view path, std::string_view directory) {
  const std::string a = normal_path(path), b = normal_path(directory);
  return a == b || (a.starts_with(b) && (b == "/" || a[b.size()] == '/'));
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
      if (!is_plain_path(one.value)) continue;
      const WorkloadMount* mount = mount_of(workload_, one.value);
      if (one.means == "data" || one.means == "model") input(one, mount);
      if (mount == nullptr && one.means != "output") missing_input(one);
      if (one.means == "output") output(one, mount);
      if (one.means == "scratch") scratch(one, mount);
    }
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
        !knows_mounts(file_, workload_) || !one.name.starts_with("--") || is_filled(one.value))
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
    found.fix = mount_words(workload_, is_file ? directory : one.value, "HOST_DIRECTORY");
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
    if (std::ranges::any_of(workload_.variables, [](const Variable& one) {
          return one.name == "MLFLOW_TRACKING_URI" ||
                 (one.value && one.name.contains("OUTPUT") && one.value->contains("://"));
        }))
      return true;
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
      if (!knows_mounts(file_, workload_)) return;
      Finding& found = sink_.add(
          "output-in-container", file_, one.span,
          fmt::format("{} writes to {} ({}), where nothing is mounted: the results go with the "
                      "container",
                      title(workload_), one.value, one.name));
      found.cause = "results";  // one for all that a file starts
      found.evidence.push_back(one.source);
      found.fix = mount_words(workload_, one.value, "results");
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
    found.fix = mount_words(workload_, one.value, "results");
  }

  /// Its checkpoints and logs are the reason to start a training.
  void training_without_mounts() {
    if (!is_engine(workload_.kind) || !knows_mounts(file_, workload_) ||
        !has_no_storage(workload_) || copied_out_ || sends_results(nullptr) ||
        is_client(workload_) || uses_tool(workload_) ||
        std::ranges::any_of(paths_, [](const NamedPath& one) { return one.means == "output"; }))
      return;
    std::vector<Word> words = command_words(workload_);
    const FileView* own = own_image(views_, project_, workload_);
    if (words.empty() && own != nullptr) words = image_command(*own);
    const Word* script = training_word(words);
    if (script == nullptr || std::ranges::any_of(words, [](const Word& word) {
          return is_one_of(word.text, {"--help", "-h", "--port", "pytest", "ruff", "mypy", "black",
                                       "flake8", "pylint", "--smoke-test", "--dry-run"}) ||
                 word.text.starts_with("--port=");
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
    if (input == workload_.mounts.end() || !knows_mounts(file_, workload_) ||
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
    found.fix = mount_words(workload_, kModel, "model");
  }

  void scratch(const NamedPath& one, const WorkloadMount* mount) {
    if (mount != nullptr || !knows_mounts(file_, workload_)) return;
    Finding& found =
        sink_.add("scratch-in-container", file_, one.span,
                  fmt::format("{} keeps scratch files in {} ({}), on the container's overlay",
                              title(workload_), one.value, one.name));
    found.evidence.push_back(one.source);
    found.fix = workload_.kind == WorkloadKind::kKubernetes
                    ? fmt::format("mount an emptyDir with a sizeLimit at {}", one.value)
                    : mount_words(workload_, one.value, "scratch");
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
                                         "compose cp ", "docker container cp ", "oc rsync ",
                                         "docker commit ", "docker export "}),
        [&](std::string_view command) { return text.contains(command); });
  });
}

}  // namespace

void judge_io(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  const bool copied_out = copies_out(project);
  for (const auto& file : project.files) {
    // Containers of a test: what they write is copied out, or of no further use.
    if (file->kind == FileKind::kWorkflow) continue;
    const std::set<std::string_view> network = network_volumes(*file);
    for (const Workload& workload : file->workloads)
      if (!workload.init_container)
        IoRules(sink, project, views, *file, workload, network, copied_out).run();
  }
}

}  // namespace flense::lint
