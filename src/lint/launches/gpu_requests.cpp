// Images and programs that need a GPU, in containers that ask for none.
#include <algorithm>
#include <array>
#include <set>

#include "base/format.h"
#include "lint/facts/gpu_image.h"
#include "lint/facts/own_images.h"
#include "lint/facts/purpose.h"
#include "lint/facts/workload_facts.h"
#include "lint/facts/workload_purpose.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/shell/shell.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Of a GPU that a container gets, or may: in an option, a branch or a comment.
bool speaks_of_gpus(std::string_view text) {
  return std::ranges::any_of(
      std::to_array<std::string_view>(
          {"gpus", "--runtime", "--device=/", "--device /", "--device=nvidia", "--device nvidia",
           "--device $", "--device=$", "--device \"", "--device=\"", "privileged", "nvidia.com",
           "dockerComposeFile", "DISABLE_REQUIRE", "/dev/nvidia", "/dev/dri", "/dev/kfd"}),
      [&](std::string_view word) { return text.contains(word); });
}

/// The settings of Docker's engine, or a script that makes them, have NVIDIA's runtime for all.
bool makes_default(const ProjectFile& file) {
  const std::string_view text = file.source.text();
  if (is_script(file.kind)) return text.contains("set-as-default");
  constexpr std::string_view kKey = "\"default-runtime\"";
  const std::size_t at = file.kind == FileKind::kDaemon ? text.find(kKey) : text.npos;
  if (at == text.npos) return false;
  const std::string_view value = text.substr(at + kKey.size());
  return value.substr(std::min(value.find_first_not_of(" \t\r\n:\""), value.size()))
      .starts_with("nvidia");
}

/// What other files of the project say about GPUs that a container does not ask for.
struct Elsewhere {
  bool by_default = false;          ///< NVIDIA's runtime is made the engine's own
  std::set<std::string> started;    ///< images that a command line starts with a GPU
  std::set<const FileView*> built;  ///< Dockerfiles of which a service with a GPU is built

  Elsewhere(const Project& project, const std::vector<FileView>& views) {
    for (const auto& file : project.files) {
      by_default = by_default || makes_default(*file);
      for (const Workload& workload : file->workloads) {
        if (workload.node == nullptr && !workload.gpus.empty()) started.insert(workload.image.text);
        if (workload.build_context && (!workload.gpus.empty() || workload.runtime))
          built.insert(built_file(views, project, workload));
      }
    }
  }
};

class GpuRequestRules {
 public:
  GpuRequestRules(FindingSink& sink, const Project& project, const ProjectFile& file,
                  const Workload& workload, const std::vector<FileView>& views,
                  const Elsewhere& elsewhere)
      : sink_(sink),
        project_(project),
        views_(views),
        elsewhere_(elsewhere),
        file_(file),
        workload_(workload),
        image_(known_image(workload, *project.knowledge)) {}

  void run() {
    const bool stated = workload_.kind != WorkloadKind::kSrun &&
                        workload_.kind != WorkloadKind::kApptainer &&
                        workload_.kind != WorkloadKind::kSystemd;
    if (misplaced()) return;
    if (!stated || (!workload_.image_name && !workload_.build_context) ||
        workload_.init_container || !is_complete(file_, workload_) || is_client(workload_))
      return;
    const Need why = need();
    if (why.what.empty()) return;
    if (is_for_other_device(file_.source.project_path()) || is_for_other_device(workload_.name) ||
        is_for_processor(workload_) || leaves_gpu_out(file_, workload_))
      return;
    const bool has = !workload_.gpus.empty() || !workload_.devices.empty() ||
                     workload_.privileged || workload_.runtime ||
                     (workload_.image_name && workload_.image_name->tag.contains("cpu"));
    if (!workload_.command.empty() &&
        (is_tool(workload_.command.front().text) || (is_bare_shell() && !promises_gpu())))
      return;  // another program than the image's own
    if (const std::vector<Word> words = command_words(workload_);
        !words.empty() &&
        (is_one_of(words.back().text, {"--help", "-h", "--version"}) ||
         (words.front().text.starts_with("python") && words.size() > 1 && words[1].text == "-c")))
      return;
    if (has || workload_.unknown_options ||
        is_added_elsewhere(project_, file_, workload_,
                           [](const Workload& one) { return !one.gpus.empty() || one.runtime; }) ||
        is_patched(project_, workload_, {"resources"}))
      return;
    // Started with and without it, or NVIDIA's runtime is made the engine's own.
    if (is_script(file_.kind) && std::ranges::any_of(file_.workloads, [&](const Workload& other) {
          return other.image.text == workload_.image.text && !other.gpus.empty();
        }))
      return;
    if (file_.source.text().contains("default-runtime") ||
        file_.source.text().contains("set-as-default"))
      return;
    // A node whose default runtime is NVIDIA's.
    if (variable(workload_, "NVIDIA_VISIBLE_DEVICES") != nullptr) return;
    if (workload_.kind == WorkloadKind::kKubernetes && asks_otherwise()) return;
    // An override file adds to a service defined elsewhere; what that one sets is not known here.
    const text::YamlNode* devices = key("deploy");
    if (key("gpus") != nullptr ||
        (devices != nullptr && (*devices)["resources"]["reservations"].find("devices") != nullptr))
      return;
    Finding& found =
        sink_.add("gpu-not-requested", file_,
                  workload_.image_name ? workload_.image.span : workload_.build_context->span,
                  fmt::format("{} runs {}, which needs a GPU, and asks for none", title(workload_),
                              why.what));
    found.evidence.push_back(why.evidence);
    // The hosted machines of workflows have no GPU, and of several kinds of pods one computes.
    found.pedantic = !why.sure || is_example(file_.source.project_path()) ||
                     (file_.kind == FileKind::kWorkflow && !is_of_own_runner()) ||
                     is_of_several_kinds() || elsewhere_.by_default ||
                     elsewhere_.started.contains(workload_.image.text);
    found.fix =
        workload_.kind == WorkloadKind::kKubernetes ? "write resources.limits: {nvidia.com/gpu: 1}"
        : workload_.kind == WorkloadKind::kQuadlet  ? "write AddDevice=nvidia.com/gpu=all"
        : is_for_jetson() && workload_.kind == WorkloadKind::kDocker  ? "add --runtime nvidia"
        : is_for_jetson() && workload_.kind == WorkloadKind::kCompose ? "write runtime: nvidia"
        : workload_.kind == WorkloadKind::kDocker                     ? "add --gpus all"
        : workload_.kind == WorkloadKind::kPodman
            ? "add --device nvidia.com/gpu=all"
            : "write gpus: all, or reserve one: deploy.resources.reservations.devices with "
              "driver: nvidia, count: 1, capabilities: [gpu]";
  }

 private:
  const text::YamlNode* key(std::string_view name) const {
    return workload_.node == nullptr ? nullptr : workload_.node->find(name);
  }

  /// A claim, a resource of some vendor or scheduler, an annotation for a part of a GPU.
  bool asks_otherwise() const {
    const text::YamlNode& resources = (*workload_.node)["resources"];
    if (resources.find("claims") != nullptr) return true;
    for (const std::string_view part : {"limits", "requests"})
      for (const text::YamlMember& member : resources[part].members)
        if (member.key.contains('/')) return true;
    return file_.source.text().contains("gpu-fraction") ||
           file_.source.text().contains("gpu-memory:");
  }

  bool is_bare_shell() const {
    const std::vector<Word> words = command_words(workload_);
    return words.size() == 1 && is_shell(words.front().text);
  }

  /// By a comment above the command.
  bool promises_gpu() const {
    return is_script(file_.kind) && comments_above(file_.source, workload_.span).contains("GPU");
  }

  /// The project's one Dockerfile, where a variable of a script names the image, and a comment says
  /// that it is for GPUs.
  const FileView* only_image() const {
    return views_.size() == 1 && file_.source.slice(workload_.image.span).contains('$') &&
                   promises_gpu()
               ? &views_.front()
               : nullptr;
  }

  bool is_of_several_kinds() const {
    return workload_.object != nullptr &&
           is_one_of((*workload_.object)["kind"].text_or(),
                     {"MPIJob", "TFJob", "RayCluster", "RayJob", "RayService"});
  }

  /// The job that starts it names a runner of the owner's, by the runs-on above.
  bool is_of_own_runner() const {
    const std::string_view before = file_.source.text().substr(0, workload_.span.begin);
    const std::size_t at = before.rfind("runs-on:");
    return at != before.npos &&
           before.substr(at, before.find("steps:", at) - at).contains("self-hosted");
  }
  /// Of Jetson's images, which get the GPU by NVIDIA's runtime.
  bool is_for_jetson() const {
    if (const FileView* own =
            workload_.build_context ? own_image(views_, project_, workload_) : nullptr)
      return own->stages.back().image.platform == "jetson";
    return workload_.image_name &&
           describe_image(*workload_.image_name, project_.knowledge->images).platform == "jetson";
  }

  /// Why the container needs a GPU.
  struct Need {
    std::string what;  ///< "vllm/vllm-openai", "nvidia/cuda with nvidia-smi"; empty: it does not
    std::string evidence;
    bool sure = true;
  };

  /// TensorFlow goes on with the processor by itself, and what trains with it on purpose may too.
  static bool needs_it_surely(const GpuImage& image, std::string_view command) {
    return !image.repository.starts_with("tensorflow/") || !command.ends_with(".py");
  }

  Need need() const {
    if (workload_.build_context) return need_of_build();
    const std::string name = workload_.image_name->familiar();
    // Triton serves on the processor as well.
    if (image_ != nullptr && !image_->vendor.empty() && image_->role == "serve")
      return image_->vendor == "amd" ? Need{}
                                     : Need{name, image_->source,
                                            file_name(name) != "tritonserver" ||
                                                workload_.image_name->tag.contains("trtllm")};
    const GpuImage image = describe_image(*workload_.image_name, project_.knowledge->images);
    if (const std::string command = gpu_command(workload_); !command.empty()) {
      if (image.vendor.value == "nvidia") return {name + " with " + command, image.vendor.evidence};
      const FileView* own = workload_.node == nullptr && !image.vendor.known()
                                ? own_image(views_, project_, workload_)
                                : nullptr;
      if (own != nullptr && own->stages.back().image.vendor.value == "nvidia")
        return {name + " with " + command, own->stages.back().image.vendor.evidence,
                needs_it_surely(own->stages.back().image, command)};
      return {};
    }
    if (!image.vendor.known() && image_ == nullptr)
      if (Need own = need_of_unknown(name); !own.what.empty()) return own;
    // What a script starts, and a person who looks into the image does not.
    const bool script = is_script(file_.kind) && is_engine(workload_.kind);
    if (!script || image.vendor.value != "nvidia" || is_created_only() || only_builds(workload_) ||
        workload_.image_name->tag.ends_with("-sdk") || speaks_of_gpus(file_.source.text()))
      return {};
    return {name, image.vendor.evidence, false};
  }

  /// Of an image that no table knows: its words or variables choose CUDA, its tag is that of a
  /// variant for GPUs, or a script of the project builds it on CUDA.
  Need need_of_unknown(const std::string& name) const {
    const std::vector<Word> words = command_words(workload_);
    for (std::size_t at = 0; at < words.size(); ++at)
      if (words[at].text == "--device=cuda" ||
          (words[at].text == "--device" && at + 1 < words.size() && words[at + 1].text == "cuda"))
        return {name + " with --device cuda", "--device cuda", false};
    for (const Variable& one : workload_.variables)
      if (one.name.ends_with("GPU_LAYERS") && one.value && !is_one_of(*one.value, {"", "0"}) &&
          !one.value->contains('$'))
        return {fmt::format("{} with {}={}", name, one.name, *one.value), one.name, false};
    for (const Variable& one : workload_.variables)
      if (one.name.ends_with("DEVICE") && one.value && is_one_of(*one.value, {"cuda", "cuda:0"}))
        return {fmt::format("{} with {}={}", name, one.name, *one.value), one.name, false};
    const bool script = is_script(file_.kind) && is_engine(workload_.kind);
    if (script &&
        (is_created_only() || only_builds(workload_) || speaks_of_gpus(file_.source.text())))
      return {};
    const std::string& tag = workload_.image_name->tag;
    if (has_part(tag, "-_", {"cuda", "gpu"}) &&
        !has_part(tag, "-_", {"no", "non", "without", "cpu"}) &&
        !has_part(name, "/-_", {"openvino", "intel", "rocm", "xpu"}))
      return {name + ":" + tag, "tag " + tag, false};
    const FileView* own = script ? own_image(views_, project_, workload_) : nullptr;
    if (own == nullptr && script) own = only_image();
    if (own == nullptr || (!words.empty() && !(is_bare_shell() && promises_gpu()))) return {};
    Need out = need_of(*own);
    out.sure = false;
    return out;
  }

  bool is_named_for_gpus(const FileView& dockerfile) const {
    return has_part(file_name(dockerfile.file->source.path()), "._-", {"gpu", "cuda", "nvidia"}) ||
           has_part(file_name(file_.source.path()), "._-", {"gpu", "cuda", "nvidia"});
  }

  /// Of what a service builds.
  Need need_of_build() const {
    const FileView* own = own_image(views_, project_, workload_);
    return own == nullptr ? Need{} : need_of(*own);
  }

  /// Of an image of the project's: its base, what it starts, and that no other service of the same
  /// build has a GPU.
  Need need_of(const FileView& dockerfile) const {
    const FileView* own = &dockerfile;
    const StageView& last = own->stages.back();
    const auto& base = last.stage->image;
    // A Jetson's engine often has NVIDIA's runtime for all.
    const bool jetson = last.image.platform == "jetson" && last.image.framework.known();
    if (jetson && workload_.node != nullptr)
      return {fmt::format("an image of {}", last.image.repository), last.image.vendor.evidence,
              false};
    // A variant for GPUs by its name, whose torch brings CUDA.
    if (!last.image.vendor.known() && workload_.node != nullptr && is_named_for_gpus(*own) &&
        !torch_of_image(*own).empty())
      return {fmt::format("an image of {}", file_name(own->file->source.path())),
              torch_of_image(*own), false};
    if (last.image.vendor.value != "nvidia" || !last.image.platform.empty() || !base ||
        is_for_other_device(own->file->source.project_path()) ||
        own->text(last.stage->base.span).contains('$') || elsewhere_.built.contains(own))
      return {};
    Workload started = workload_;
    started.image_name = base;
    if (started.command.empty() && started.arguments.empty())
      started.arguments = image_command(*own);
    const std::string image = fmt::format("an image of {}", base->familiar());
    const auto* row = known_image(started, *project_.knowledge);
    if (row != nullptr && !row->vendor.empty() && row->role == "serve")
      return {image, row->source, !is_client(started)};
    const std::string command = gpu_command(started);
    return {command.empty() ? image : image + " with " + command, last.image.vendor.evidence,
            !command.empty() && needs_it_surely(last.image, command) && !only_builds(started)};
  }

  /// `docker --gpus all run`, which docker refuses, and `docker run IMAGE --gpus all`, which the
  /// program gets.
  bool misplaced() {
    const Word* option = workload_.early_gpus ? &*workload_.early_gpus : nullptr;
    const bool early = option != nullptr;
    if (!early && is_engine(workload_.kind) && workload_.node == nullptr &&
        workload_.gpus.empty() && !workload_.arguments.empty()) {
      const Word& first = workload_.arguments.front();
      const std::string value = first.text == "--gpus" && workload_.arguments.size() > 1
                                    ? workload_.arguments[1].text
                                : first.text.starts_with("--gpus=") ? first.text.substr(7)
                                                                    : std::string();
      if (value == "all" || value.contains("device=")) option = &first;
    }
    if (option == nullptr) return false;
    Finding& found = sink_.add(
        "gpu-not-requested", file_, option->span,
        early ? fmt::format("--gpus stands in front of {}'s command, which ends with \"unknown "
                            "flag: --gpus\"",
                            workload_.kind == WorkloadKind::kPodman ? "podman" : "docker")
              : "--gpus stands behind the image: the program gets it, and the container no GPU");
    if (early) found.severity = Severity::kError;
    found.evidence = {"Docker documentation, docker run [OPTIONS] IMAGE [COMMAND] [ARG...]"};
    found.fix = early ? "write it behind run" : "write it in front of the image";
    return true;
  }

  /// `docker create`, to copy files out of an image.
  bool is_created_only() const {
    const std::string_view line = file_.source.slice(workload_.span);
    return line.substr(0, std::min(line.find(" run "), line.size())).contains("create");
  }

  FindingSink& sink_;
  const Project& project_;
  const std::vector<FileView>& views_;
  const Elsewhere& elsewhere_;
  const ProjectFile& file_;
  const Workload& workload_;
  const knowledge::LaunchImageRow* image_;
};

/// Wheels for CUDA are asked for; PyPI's torch brings it to everybody.
bool asks_for_cuda(const FileView& view) {
  if (view.stages.back().image.vendor.known()) return true;
  for (const Install* install : view.installs_in(view.stages.size() - 1))
    for (const PackageList* list : lists_of(*install))
      for (const Framework& one : frameworks_of(*list, view.project->knowledge->frameworks))
        if ((one.from_index && one.variant.value.starts_with("cu")) ||
            !cuda_of_package(*one.request).empty())
          return true;
  return false;
}

/// A devcontainer on CUDA, or with wheels that bring it, that gets no GPU.
void judge_devcontainer(const Project& project, const std::vector<FileView>& views,
                        const ProjectFile& file, const Elsewhere& elsewhere, FindingSink& sink) {
  if (speaks_of_gpus(file.source.text()) || is_for_other_device(file.source.project_path())) return;
  for (const text::YamlNode* document : file.yaml->documents) {
    const text::YamlNode& top = *document;
    if (top["hostRequirements"].find("gpu") != nullptr) continue;
    const text::YamlNode& build = top["build"];
    Word place = word_of(top["image"]);
    std::string why;
    bool sure = true;
    if (const auto name = parse_image_name(place.text)) {
      const GpuImage image = describe_image(*name, project.knowledge->images);
      if (image.vendor.value == "nvidia" && image.platform.empty()) why = image.vendor.evidence;
    } else {
      place =
          word_of(build.find("dockerfile") != nullptr ? build["dockerfile"] : top["dockerFile"]);
      if (place.text.empty() || build.find("target") != nullptr) continue;
      const ProjectFile* built =
          project.find(path_below(directory_of(file.source.path()), place.text));
      const auto view = std::ranges::find(views, built, &FileView::file);
      if (view == views.end() || !is_nvidia_final(*view, why)) continue;
      // An argument given here may be the base.
      if (build.find("args") != nullptr &&
          std::ranges::any_of(view->dockerfile->stages, [&](const Stage& stage) {
            return view->text(stage.base.span).contains('$');
          }))
        continue;
      sure = asks_for_cuda(*view);
    }
    if (why.empty()) continue;
    Finding& found = sink.add("gpu-not-requested", file, place.span,
                              "the devcontainer is made for a GPU, and asks for none");
    found.evidence = {why, "containers.dev, metadata reference: hostRequirements.gpu, runArgs"};
    found.pedantic = !sure || elsewhere.by_default;
    found.fix = fmt::format(
        "write \"hostRequirements\": {{\"gpu\": \"optional\"}}, or {} \"--gpus\", \"all\"",
        top.find("runArgs") == nullptr ? "\"runArgs\" with" : "add to \"runArgs\"");
  }
}

}  // namespace

void judge_gpu_requests(const Project& project, const std::vector<FileView>& views,
                        FindingSink& sink) {
  const Elsewhere elsewhere(project, views);
  for (const auto& file : project.files) {
    if (file->kind == FileKind::kDevcontainer) {
      if (file->yaml) judge_devcontainer(project, views, *file, elsewhere, sink);
      continue;
    }
    for (const Workload& workload : file->workloads)
      GpuRequestRules(sink, project, *file, workload, views, elsewhere).run();
  }
}

}  // namespace flense::lint
