// Jobs of GitHub's and Azure's workflows: images for GPUs on a runner with too little disk, and
// containers of jobs whose ranks share too little memory.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
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
  if (node.is_scalar()) out.append(node.text, 0, kMostText).push_back('\n');
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

/// Where a command that builds an image begins; npos: none does.
std::size_t place_of_build(std::string_view commands) {
  std::size_t out = commands.npos;
  for (const std::string_view build :
       {"docker build ", "docker buildx build ", "podman build ", "buildah bud "})
    out = std::min(out, commands.find(build));
  return out;
}

/// The Dockerfile that the first such command names: with the workflow's expressions in it, or
/// a pattern.
std::string built_file(std::string_view commands) {
  commands.remove_prefix(place_of_build(commands));
  const auto behind_expression = [&](std::size_t at) {
    return commands.substr(at).starts_with("${{")
               ? std::min(commands.find("}}", at), commands.size())
               : at;
  };
  bool next = false;  // what comes is the path
  for (std::size_t at = 0; at < commands.size();) {
    const std::size_t begin = at;
    while (at < commands.size() && !is_blank(commands[at]) && commands[at] != ';')
      at = behind_expression(at) + 1;
    at = std::min(at, commands.size());
    std::string word(commands.substr(begin, at - begin));
    std::erase_if(word, [](char c) { return c == '"' || c == '\''; });
    if (next && !word.empty() && word != "\\") return word;
    if (word.starts_with("--file=")) return word.substr(7);
    next = next || word == "-f" || word == "--file";
    const bool goes_on =
        word == "\\" || (at < commands.size() && commands[at] != ';' && commands[at] != '\n');
    if (!goes_on || word == "&&" || word == "||" || word == "|") break;
    ++at;
  }
  return "*Dockerfile";
}

/// The Dockerfiles whose images are large, as they are for GPUs.
class LargeFiles {
 public:
  explicit LargeFiles(const std::vector<FileView>& views) {
    for (const FileView& view : views) {
      const std::string& path = view.file->source.project_path();
      const bool large = std::ranges::any_of(view.stages, [](const StageView& stage) {
        return stage.reachable && stage.image.vendor.known() && stage.image.flavour.value != "base";
      });
      if (large && !is_for_other_device(path)) files_.emplace(path, view.file);
    }
  }

  /// The one that a path with a workflow's expressions may mean; null: none is known.
  const ProjectFile* find(std::string_view path) {
    constexpr std::size_t kLongestPath = 4'096, kMostPatterns = 1'000;
    if (path.size() > kLongestPath) return nullptr;
    std::string pattern = normal_path(path);
    for (std::size_t at = pattern.find("${{"); at != pattern.npos; at = pattern.find("${{")) {
      const std::size_t end = pattern.find("}}", at);
      pattern.replace(at, end == pattern.npos ? pattern.npos : end + 2 - at, "*");
    }
    const std::size_t star = pattern.find('*');
    if (star == pattern.npos) {
      const auto at = files_.find(pattern);
      return at == files_.end() ? nullptr : at->second;
    }
    const auto known = asked_.find(pattern);
    if (known != asked_.end()) return known->second;
    // Each may have to be held against every file.
    if (asked_.size() == kMostPatterns) return nullptr;
    const ProjectFile*& out = asked_[pattern];
    const std::string_view begin = std::string_view(pattern).substr(0, star);
    for (auto at = files_.lower_bound(begin); at != files_.end() && at->first.starts_with(begin);
         ++at)
      if (knowledge::matches_pattern(pattern, at->first)) return out = at->second;
    return nullptr;
  }

 private:
  std::map<std::string, const ProjectFile*, std::less<>> files_;
  std::map<std::string, const ProjectFile*> asked_;
};

class Job {
 public:
  Job(LargeFiles& large, const ProjectFile& file, const YamlNode& job, FindingSink& sink)
      : large_(large), file_(file), job_(job), sink_(sink) {
    add_texts(job, 0, text_);
  }

  void run() {
    old_runtime();
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

  /// Whether an image that the job uses or builds, or what a step installs, is named for GPUs.
  bool names_platform() const {
    std::string texts;
    const auto add = [&](const YamlNode& node) { add_texts(node, 0, texts); };
    const YamlNode& container = job_["container"];
    add(container.is_scalar() ? container : container["image"]);
    for (const YamlMember& service : job_["services"].members) add((*service.value)["image"]);
    for (const YamlNode* step : job_["steps"].items) {
      add((*step)["uses"]);
      if ((*step)["uses"].text_or().starts_with("docker/build-push-action")) add((*step)["with"]);
      add_named_commands((*step)["run"].text_or(), texts);
    }
    // What an expression chooses, the matrix names.
    if (holds(texts, "matrix.")) add(job_["strategy"]["matrix"]);
    return std::ranges::any_of(parts_of(to_lower(texts), " \t\n/:=-_.,\"'"),
                               [](auto part) { return starts_with_any(part, {"cuda", "rocm"}); });
  }

  /// Of a step's commands those that install something, or use an image.
  static void add_named_commands(std::string_view commands, std::string& out) {
    constexpr auto kNaming = std::to_array<std::string_view>(
        {"install ", "uv sync", "uv add", "docker ", "podman ", "buildah "});
    std::string command;
    while (!commands.empty() && out.size() < kMostText) {
      const std::string_view line = trim_space(take_line(commands));
      if (line.starts_with('#')) continue;
      command += line;
      if (command.ends_with('\\') && !commands.empty()) {
        command.back() = ' ';
        continue;
      }
      if (holds_one_of(command, kNaming)) out += command + "\n";
      command.clear();
    }
  }

  void build_on_hosted() {
    std::optional<bool> named;
    for (const YamlNode* step : job_["steps"].items) {
      const YamlNode &uses = (*step)["uses"], &run = (*step)["run"], &with = (*step)["with"];
      std::string path;
      Span span;
      if (uses.text_or().starts_with("docker/build-push-action")) {
        span = word_of(uses).span;
        path = with["file"].is_scalar() ? std::string(with["file"].text)
                                        : path_below(with["context"].text_or("."), "Dockerfile");
      } else if (run.is_scalar() && place_of_build(run.text) != run.text.npos) {
        span = span_of(step->member("run")->at);
        path = built_file(run.text);
      } else {
        continue;
      }
      const ProjectFile* built = large_.find(path);
      if (built == nullptr && !named) named = names_platform();
      if (built == nullptr && !*named) continue;
      full_disk(span, "an image for GPUs is built",
                built != nullptr ? built->source.path() + " begins with an image for GPUs"
                                 : std::string("an image or an installation of the job names "
                                               "CUDA or ROCm"))
          .fix =
          "make room before it: jlumbroso/free-disk-space, or rm -rf /opt/hostedtoolcache "
          "/usr/share/dotnet /usr/local/lib/android; or take a larger runner";
      return;
    }
  }

  /// The container of a job gets GPUs in the form of before --gpus.
  void old_runtime() {
    const YamlNode& options = job_["container"]["options"];
    if (!holds(options.text_or(), "--runtime=nvidia")) return;
    Finding& found = sink_.add("compose-runtime-nvidia", file_, word_of(options).span,
                               "--runtime=nvidia is the form of before docker run --gpus: the "
                               "container does not start where the engine has no such runtime");
    found.evidence = {"NVIDIA/nvidia-docker, README: superseded by the Container Toolkit"};
    found.fix = "write --gpus=all";
  }

  /// Ranks of one program in the container of a job.
  void shared_memory() {
    const YamlNode& options = job_["container"]["options"];
    const std::string_view said = options.text_or();
    if ((!holds(said, "--gpus") && !holds(said, "--runtime=nvidia")) || holds(said, "--shm-size") ||
        holds(said, "--ipc") || holds(said, "/dev/shm") || holds(said, "${{"))
      return;
    constexpr auto kRanks = std::to_array<std::string_view>(
        {"torchrun", "deepspeed", "accelerate launch", "mpirun", "ddp", "nproc_per_node",
         "nproc-per-node", "nccl", "fsdp", "tensor-parallel"});
    std::string commands, labels;
    for (const YamlNode* step : job_["steps"].items)
      for (const std::string_view key : {"run", "bash", "script"})
        add_texts((*step)[key], 0, commands);
    add_texts(job_["runs-on"], 0, labels);
    add_texts(job_["pool"], 0, labels);
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

  LargeFiles& large_;
  const ProjectFile& file_;
  const YamlNode& job_;
  FindingSink& sink_;
  std::string text_;  ///< all of the job's texts
};

/// GitHub's jobs are a mapping, Azure's a list, also below stages and conditions.
void judge_jobs(LargeFiles& large, const ProjectFile& file, const YamlNode& node, unsigned depth,
                FindingSink& sink) {
  constexpr unsigned kDeepest = 8;
  if (depth > kDeepest) return;
  if (node.is_mapping() && node.find("steps") != nullptr) {
    Job(large, file, node, sink).run();
    return;
  }
  for (const YamlNode* item : node.items) judge_jobs(large, file, *item, depth + 1, sink);
  for (const YamlMember& member : node.members)
    judge_jobs(large, file, *member.value, depth + 1, sink);
}

}  // namespace

void judge_workflow_jobs(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  LargeFiles large(views);
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kWorkflow || !file->yaml) continue;
    for (const YamlNode* document : file->yaml->documents)
      judge_jobs(large, *file, *document, 0, sink);
  }
}

}  // namespace flense::lint
