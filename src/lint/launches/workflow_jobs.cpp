// Jobs of GitHub's workflows: images for GPUs on a runner with too little disk, and containers of
// jobs whose ranks share too little memory.
#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "base/ascii.h"
#include "base/format.h"
#include "knowledge/table_rows.h"
#include "lint/facts/purpose.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using text::YamlMember;
using text::YamlNode;

/// As much of a job as decides: longer ones are no workflow that somebody writes.
constexpr std::size_t kMostText = std::size_t{1} << 18;

void add_texts(const YamlNode& node, unsigned depth, std::string& out) {
  constexpr unsigned kDeepest = 12;
  if (depth > kDeepest || out.size() > kMostText) return;
  if (node.is_scalar()) (out += node.text) += '\n';
  for (const YamlNode* item : node.items) add_texts(*item, depth + 1, out);
  for (const YamlMember& member : node.members) add_texts(*member.value, depth + 1, out);
}

bool holds_one_of(std::string_view text, std::span<const std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return holds(text, word); });
}

/// One of GitHub's own machines, by its label.
bool is_hosted(const YamlNode& runs_on) {
  return is_one_of(runs_on.text_or(), {"ubuntu-latest", "ubuntu-20.04", "ubuntu-22.04",
                                       "ubuntu-24.04", "ubuntu-26.04"});
}

/// Actions and commands that make room, and builders that are another machine.
constexpr auto kRoom = std::to_array<std::string_view>({"free-disk",
                                                        "free_disk",
                                                        "freedisk",
                                                        "maximize-build-space",
                                                        "disk-space",
                                                        "disk_space",
                                                        "disk-cleanup",
                                                        "cleanup-disk",
                                                        "clean-disk",
                                                        "hostedtoolcache",
                                                        "AGENT_TOOLSDIRECTORY",
                                                        "/usr/share/dotnet",
                                                        "/usr/local/lib/android",
                                                        "/opt/ghc",
                                                        "/mnt",
                                                        "depot/",
                                                        "driver: remote",
                                                        "driver: cloud",
                                                        "driver: kubernetes",
                                                        "docker-container://",
                                                        "ssh://",
                                                        "remote",
                                                        "data-root"});

class Job {
 public:
  Job(const std::vector<FileView>& views, const ProjectFile& file, const YamlNode& job,
      FindingSink& sink)
      : views_(views), file_(file), job_(job), sink_(sink) {
    add_texts(job, 0, text_);
  }

  void run() {
    if (is_hosted(job_["runs-on"]) && !holds_one_of(text_, kRoom)) {
      container_on_hosted();
      build_on_hosted();
    }
    shared_memory();
  }

 private:
  Finding& full_disk(Span span, const std::string& what, std::string evidence) {
    Finding& found = sink_.add(
        "runner-disk-small", file_, span,
        fmt::format("{} on {}, whose disk has little room left: an image with CUDA or ROCm and its "
                    "wheels ends with \"no space left on device\"",
                    what, job_["runs-on"].text_or()));
    found.evidence = {std::move(evidence),
                      "GitHub documentation, runners: 14 GB of disk are guaranteed"};
    return found;
  }

  void container_on_hosted() {
    const YamlNode& container = job_["container"];
    const YamlNode& image = container.is_scalar() ? container : container["image"];
    const std::string name = to_lower(image.text_or());
    if (!image.is_scalar() || (!holds(name, "cuda") && !holds(name, "rocm")) ||
        holds(name, "-base"))
      return;
    full_disk(word_of(image).span, fmt::format("the job runs in {}", image.text_or()),
              "the container is pulled before any step can make room")
        .fix =
        "make room in a step, and start the container there: docker run; or take a larger runner";
  }

  /// The Dockerfile for GPUs that a step may build; null: none is known.
  const FileView* gpu_file(std::string_view path) const {
    std::string pattern = normal_path(path);
    for (std::size_t at = pattern.find("${{"); at != pattern.npos; at = pattern.find("${{")) {
      const std::size_t end = pattern.find("}}", at);
      pattern.replace(at, end == pattern.npos ? pattern.npos : end + 2 - at, "*");
    }
    for (const FileView& view : views_) {
      const bool large = std::ranges::any_of(view.stages, [](const StageView& stage) {
        return stage.reachable && stage.image.vendor.known() && stage.image.flavour.value != "base";
      });
      if (large && !is_for_other_device(view.file->source.path()) &&
          knowledge::matches_pattern(pattern, view.file->source.path()))
        return &view;
    }
    return nullptr;
  }

  void build_on_hosted() {
    for (const YamlNode* step : job_["steps"].items) {
      const YamlNode &uses = (*step)["uses"], &run = (*step)["run"], &with = (*step)["with"];
      std::string path;
      Span span;
      if (uses.text_or().starts_with("docker/build-push-action")) {
        span = word_of(uses).span;
        path = with["file"].is_scalar() ? std::string(with["file"].text)
                                        : path_below(with["context"].text_or("."), "Dockerfile");
      } else if (run.is_scalar() &&
                 (holds(run.text, "docker build ") || holds(run.text, "docker buildx build ") ||
                  holds(run.text, "podman build ") || holds(run.text, "buildah bud "))) {
        span = span_of(step->member("run")->at);
        const std::size_t option = run.text.find("-f ");
        path = option == run.text.npos ? std::string("*Dockerfile") : run.text.substr(option + 3);
        path = path.starts_with("${{") || path.contains("${{")
                   ? path.substr(0, path.find_first_of(" \t\n\\", path.find("}}")))
                   : path.substr(0, path.find_first_of(" \t\n\\"));
      } else {
        continue;
      }
      const FileView* view = gpu_file(path);
      const bool named = view == nullptr && holds_one_of(to_lower(text_), kPlatforms);
      if (view == nullptr && !named) continue;
      full_disk(span, "an image for GPUs is built",
                view != nullptr ? view->file->source.path() + " begins with an image for GPUs"
                                : std::string("the job names CUDA or ROCm"))
          .fix =
          "make room before it: jlumbroso/free-disk-space, or rm -rf /opt/hostedtoolcache "
          "/usr/share/dotnet /usr/local/lib/android; or take a larger runner";
      return;
    }
  }

  /// Ranks of one program in the container of a job.
  void shared_memory() {
    const YamlNode& options = job_["container"]["options"];
    const std::string_view said = options.text_or();
    if (!holds(said, "--gpus") || holds(said, "--shm-size") || holds(said, "--ipc") ||
        holds(said, "/dev/shm") || holds(said, "${{"))
      return;
    constexpr auto kRanks = std::to_array<std::string_view>(
        {"torchrun", "deepspeed", "accelerate launch", "mpirun", "ddp", "nproc_per_node",
         "nproc-per-node", "nccl", "fsdp", "tensor-parallel"});
    std::string commands, labels;
    for (const YamlNode* step : job_["steps"].items) add_texts((*step)["run"], 0, commands);
    add_texts(job_["runs-on"], 0, labels);
    const auto rank =
        std::ranges::find_if(kRanks, [&](std::string_view word) { return names(commands, word); });
    const bool several = holds(labels, "multi-gpu") || holds(labels, "multigpu");
    if (rank == kRanks.end()) return;
    Finding& found = sink_.add(
        "shm-too-small", file_, word_of(options).span,
        fmt::format("the container of the job has the default 64 MiB of shared memory, and its "
                    "processes exchange data through it"));
    found.evidence = {fmt::format("a step has {}", *rank)};
    found.pedantic = !several;
    found.fix = "add --shm-size=8g, or --ipc=host";
  }

  /// Whether a text has the word where no "not (… or ddp)" takes it out again.
  static bool names(std::string_view text, std::string_view word) {
    while (!text.empty()) {
      const std::string_view line = take_line(text);
      const std::size_t at = line.find(word);
      if (at == line.npos) continue;
      const std::size_t no = std::min(line.find("not ("), line.find("not("));
      // What is installed is not what runs.
      if (no < at || holds(line, "pip install") || holds(line, "uv ")) continue;
      return true;
    }
    return false;
  }

  static constexpr auto kPlatforms = std::to_array<std::string_view>({"cuda", "rocm"});

  const std::vector<FileView>& views_;
  const ProjectFile& file_;
  const YamlNode& job_;
  FindingSink& sink_;
  std::string text_;  ///< all of the job's texts
};

}  // namespace

void judge_workflow_jobs(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kWorkflow || !file->yaml) continue;
    for (const YamlNode* document : file->yaml->documents)
      for (const YamlMember& job : (*document)["jobs"].members)
        if (job.value->is_mapping()) Job(views, *file, *job.value, sink).run();
  }
}

}  // namespace flense::lint
