// What makes an image or its build large: recommended packages, toolkits, whole repositories, build
// contexts, single layers.
#include <algorithm>
#include <array>
#include <map>

#include "base/ascii.h"
#include "base/format.h"
#include "knowledge/table_rows.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sent_files.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using knowledge::matches_pattern;

void recommends(const FileView& view, FindingSink& sink) {
  const auto& rows = view.project->knowledge->build.recommending_packages;
  const std::size_t last = view.stages.size() - 1;
  std::size_t set_from = std::string_view::npos;
  for (const std::size_t one : view.dockerfile->lineage(last))
    for (const Instruction& step : view.dockerfile->stages[one].instructions)
      if (step.span.begin < set_from &&
          mentions(step, [](std::string_view word) { return holds(word, "Install-Recommends"); }))
        set_from = step.span.begin;
  for (const Install* install : view.installs_in(last)) {
    const PackageList& list = install->command;
    if (list.manager != PackageManager::kApt || list.has_option("--no-install-recommends") ||
        std::ranges::any_of(list.options, [](const std::string& option) {
          return holds(option, "Install-Recommends");
        }))
      continue;
    const PackageRequest* named = nullptr;
    const knowledge::NamePatternRow* row = nullptr;
    for (const PackageRequest& request : list.packages) {
      if (named != nullptr) break;
      // The keyring is a key and a line for apt.
      row = request.name.contains("keyring") ? nullptr : find_pattern(rows, request.name);
      if (row != nullptr) named = &request;
    }
    if (named == nullptr || set_from <= install->instruction->span.begin) continue;
    const ShellCommand* command = command_at(*install->instruction, list.span);
    Span verb = named->span;
    if (command != nullptr)
      for (const ShellWord& word : command->words)
        if (word.text == list.verb) verb = word.span;
    Finding& found = sink.add(
        "apt-recommends-gpu", *view.file, verb,
        fmt::format("{} is installed with what it recommends: Nsight, Java, documentation, "
                    "graphics",
                    named->name));
    found.evidence = {row->source};
    found.fix = "add --no-install-recommends";
    if (command != nullptr && verb != named->span)
      found.edits.push_back({{verb.end, verb.end}, " --no-install-recommends"});
  }
}

/// Packages that call nvcc while they run.
bool compiles_at_run(const FileView& view) {
  for (const Install* install : view.installs_in(view.stages.size() - 1))
    for (const PackageList* list : lists_of(*install))
      for (const std::string_view name :
           {"vllm", "sglang", "flashinfer-python", "deepspeed", "pycuda", "tilelang"})
        if (list->find(name) != nullptr) return true;
  return false;
}

void toolkit(const FileView& view, FindingSink& sink) {
  const auto& rows = view.project->knowledge->build.toolkit_packages;
  if (is_devcontainer(*view.file) || compiles_at_run(view)) return;
  for (const Install* install : view.installs_in(view.stages.size() - 1)) {
    const PackageManager manager = install->command.manager;
    if (manager != PackageManager::kApt && manager != PackageManager::kDnf) continue;
    for (const PackageRequest& request : install->command.packages) {
      const auto* row = find_pattern(rows, request.name);
      if (row == nullptr) continue;
      Finding& found = sink.add(
          "cuda-toolkit-final", *view.file, request.span,
          fmt::format("{} brings compilers, headers, static libraries and profilers into the "
                      "final image",
                      request.name));
      std::string instead = row->instead;
      if (const std::size_t at = instead.find("{}"); at != std::string::npos)
        instead.replace(at, 2, knowledge::trailing_numbers(request.name));
      found.evidence = {row->source};
      found.fix = fmt::format("compile in a stage of its own, and take {} here", instead);
    }
  }
}

/// What one COPY includes that is not part of a program.
struct Waste {
  std::uint64_t bytes = 0;
  std::map<std::string, std::uint64_t> by_line, perhaps;  ///< by line of .dockerignore
};

/// `history`: the image works with it, so it is no waste.
Waste waste_below(const FileView& view, const SentFiles& sent, std::string_view source,
                  bool history) {
  Waste out;
  for (const ContextFile* file : sent.below(source))
    for (const auto& row : view.project->knowledge->build.context_waste) {
      if (file->path.size() > 4'096 || !matches_pattern(row.pattern, file->path)) continue;
      if (history && row.ignore == ".git") break;
      out.bytes += file->bytes;
      if (file->bytes == 0) break;
      // The program may load them from there.
      const bool read = is_one_of(row.what, {"weights", "data sets", "checkpoints"});
      (read ? out.perhaps : out.by_line)[row.ignore] += file->bytes;
      break;
    }
  return out;
}

/// Whether a git command of the file works on a tree that COPY brought: its history is wanted.
bool uses_history(const StageView& stage) {
  for (const Instruction& run : stage.stage->instructions)
    for (const StepCommand& one : commands_of(run))
      if ((one.program == "git" && !one.has("clone") && !one.has("--global") &&
           !one.has("--system")) ||
          // Needs the history, as long as nobody tells it otherwise.
          one.program == "dvc")
        return true;
  return false;
}

/// Whether something in the context reads its version from the history.
bool versions_by_history(const FileView& view) {
  const std::string root = view.project->context_directory(*view.file);
  const ProjectFile* project = view.project->find(path_below(root, "pyproject.toml"));
  if (project == nullptr) return false;
  return std::ranges::any_of(
      std::to_array<std::string_view>({"setuptools_scm", "setuptools-scm", "hatch-vcs",
                                       "versioneer", "versioningit", "dynamic-versioning",
                                       "setuptools-git-versioning"}),
      [&](std::string_view name) { return project->source.text().contains(name); });
}

/// setup.py may do the same, and is not read.
bool may_version_by_history(const SentFiles& sent) {
  return std::ranges::any_of(sent.below("."), [](const ContextFile* file) {
    return is_one_of(file->path, {"setup.py", "setup.cfg", "versioneer.py"});
  });
}

/// Folders of what a program reads or makes, by their names.
bool is_folder_of_data(std::string_view name) {
  return is_one_of(name, {"models", "model", "weights", "checkpoints", "checkpoint", "ckpt",
                          "ckpts", "data", "dataset", "datasets", "output", "outputs", "results",
                          "runs", "logs", "cache", "hf_cache", "model_cache", "models_cache"});
}

/// What a service mounts from the context of its own build, and COPY . takes along: it lies in the
/// image, hidden by the mount.
void mounted_and_copied(const FileView& view, const SentFiles& sent, FindingSink& sink) {
  if (!is_gpu_file(view) || view.stages.empty()) return;
  const std::string root = view.project->context_directory(*view.file);
  const Word* all = nullptr;
  for (const StageView& stage : view.stages)
    for (const Instruction& copy : stage.stage->instructions)
      if (stage.final && copy.copies() && copy.flag("from") == nullptr && copy.words.size() > 1 &&
          is_one_of(copy.words[0].text, {".", "./"}))
        all = &copy.words[0];
  if (all == nullptr) return;
  constexpr std::size_t kMostAsked = 50;  // each reads the .dockerignore
  std::size_t asked = 0;
  for (const auto& file : view.project->files)
    for (const Workload& workload : file->workloads) {
      if (!workload.build_context || workload.node == nullptr) continue;
      const std::string folder = directory_of(workload.path);
      if (normal_path(path_below(folder, workload.build_context->text)) != normal_path(root))
        continue;
      for (const WorkloadMount& mount : workload.mounts) {
        if (!starts_with_any(mount.source, {"./", "../"})) continue;
        const std::string path = normal_path(path_below(folder, mount.source));
        const std::string below = normal_path(root) == "." ? path
                                  : path.starts_with(normal_path(root) + "/")
                                      ? path.substr(normal_path(root).size() + 1)
                                      : std::string();
        if (below.empty() || below.starts_with("..") || !is_folder_of_data(file_name(below)) ||
            ++asked > kMostAsked || sent.leaves_out(below))
          continue;
        Finding& found = sink.add(
            "dockerignore-coverage", *view.file, all->span,
            fmt::format(
                "COPY . takes {} along, which the service mounts: what lies there is in the "
                "image too, and hidden by the mount",
                below));
        found.evidence = {fmt::format("{} mounts {}", file->source.path(), mount.source)};
        found.fix = fmt::format("write into {}: {}", sent.ignore_path(), below);
        found.pedantic = true;
        return;
      }
    }
}

/// A checkout of less than this is nothing beside a base for GPUs, with its history too.
constexpr std::uint64_t kSmallContext = 100'000;

void ignore_coverage(const FileView& view, const SentFiles& sent, FindingSink& sink) {
  if (!sent.known() || !is_gpu_file(view)) return;
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    const bool history = uses_history(stage) || versions_by_history(view);
    for (const Instruction& copy : stage.stage->instructions) {
      if (!copy.copies() || copy.flag("from") != nullptr) continue;
      for (std::size_t at = 0; at + 1 < copy.words.size(); ++at) {
        const std::string& source = copy.words[at].text;
        const bool whole = source == "." || source == "./" || source == "/";
        const Waste waste = waste_below(view, sent, source, history);
        const bool missing = whole && !sent.has_ignore_file() && sent.has_history() && !history &&
                             sent.bytes_below(source) >= kSmallContext;
        // One that names the file itself is intended.
        const bool own = is_weights(source);
        if (!missing && (own || waste.bytes < view.project->knowledge->build.limit("context")))
          continue;
        Finding& found = sink.add(
            "dockerignore-coverage", *view.file, copy.words[at].span,
            missing ? fmt::format("there is no {}: {} takes the whole checkout, its history "
                                  "included",
                                  sent.ignore_path(), to_string(copy.keyword))
                    : fmt::format("{} takes {} along that {} does not leave out",
                                  to_string(copy.keyword), human_bytes(waste.bytes),
                                  sent.ignore_path()));
        // Less than half of the limit is nothing beside a framework, nor in a stage for building.
        const std::uint64_t limit = view.project->knowledge->build.limit("context");
        found.pedantic = waste.bytes < (stage.final ? limit / 2 : limit) ||
                         (waste.by_line.contains(".git") && may_version_by_history(sent));
        std::string lines;
        for (const auto& [line, bytes] : waste.by_line) {
          found.evidence.push_back(fmt::format("{}: {}", line, human_bytes(bytes)));
          lines += (lines.empty() ? "" : ", ") + line;
        }
        std::string weights;
        for (const auto& [line, bytes] : waste.perhaps) {
          found.evidence.push_back(fmt::format("{}: {}", line, human_bytes(bytes)));
          weights += (weights.empty() ? "" : ", ") + line;
        }
        if (found.evidence.empty()) found.evidence = {"no file " + sent.ignore_path()};
        if (lines.empty() && weights.empty()) lines = ".git, .venv";
        found.fix = fmt::format("write into {}: {}", sent.ignore_path(), lines);
        if (!weights.empty())
          found.fix += fmt::format("{}of {}, what the program does not load; mount the rest",
                                   lines.empty() ? "" : "; and ", weights);
        return;
      }
    }
  }
}

/// "pytorch/pytorch" of an address.
std::string owner_and_name(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  if (url.ends_with(".git")) url.remove_suffix(4);
  const std::size_t name = url.find_last_of("/:");
  if (name == url.npos || name == 0) return {};
  const std::size_t owner = url.find_last_of("/:", name - 1);
  return std::string(url.substr(owner == url.npos ? 0 : owner + 1));
}

/// Whether a git command of the file has one of these verbs.
bool calls_git(const FileView& view, std::initializer_list<std::string_view> verbs) {
  return std::ranges::any_of(view.dockerfile->stages, [&](const Stage& stage) {
    return std::ranges::any_of(stage.instructions, [&](const Instruction& run) {
      return std::ranges::any_of(commands_of(run), [&](const StepCommand& one) {
        return one.program == "git" &&
               std::ranges::any_of(one.arguments, [&](const Argument& word) {
                 return is_one_of(word.text, verbs);
               });
      });
    });
  });
}

/// Whether a git command of the file, or of a script beside it, takes another commit than the
/// newest.
bool takes_other_commit(const FileView& view) {
  return std::ranges::any_of(view.project->files,
                             [](const auto& file) {
                               return file->kind == FileKind::kShell &&
                                      file->source.text().contains("git checkout");
                             }) ||
         calls_git(view, {"checkout", "reset", "switch", "worktree"});
}

/// Whether the step deletes what the clone made, by the name of the repository or of a directory.
bool is_removed(const std::vector<StepCommand>& commands, const StepCommand& clone) {
  const auto is_made = [&](std::string_view gone) {
    while (gone.ends_with('/') || gone.ends_with('*')) gone.remove_suffix(1);
    if (gone.size() < 2 || gone.starts_with('-')) return false;
    if (gone.ends_with("/.git")) return true;
    return std::ranges::any_of(clone.arguments, [&](const Argument& word) {
      std::string_view made = word.text;
      while (made.ends_with('/')) made.remove_suffix(1);
      if (made.ends_with(".git")) made.remove_suffix(4);
      return file_name(gone) == file_name(made) || lies_in(made, gone);
    });
  };
  return std::ranges::any_of(commands, [&](const StepCommand& other) {
    return other.program == "rm" && other.shell->span.begin > clone.shell->span.begin &&
           std::ranges::any_of(other.arguments,
                               [&](const Argument& word) { return is_made(word.text); });
  });
}

void clones(const FileView& view, FindingSink& sink) {
  // These read what lies between commits.
  const bool history = calls_git(view, {"cherry-pick", "describe", "log", "merge", "merge-base",
                                        "rebase", "rev-list", "shortlog", "blame"});
  const bool other_commit = history || takes_other_commit(view);
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    for (const Instruction& run : stage.stage->instructions) {
      if (run.keyword != Keyword::kRun) continue;
      const std::vector<StepCommand>& commands = commands_of(run);
      for (const StepCommand& command : commands) {
        if (command.program != "git" || !command.has("clone")) continue;
        const bool narrow = std::ranges::any_of(command.arguments, [](const Argument& word) {
          return word.text.starts_with("--depth") || word.text.starts_with("--filter") ||
                 word.text.starts_with("--shallow");
        });
        // What lies in a cache is cloned once.
        const bool kept = std::ranges::any_of(cache_mounts(run), [&](const CacheMount& mount) {
          return std::ranges::any_of(command.arguments, [&](const Argument& word) {
            return lies_in(word.text, mount.target);
          });
        });
        if (narrow || kept) continue;
        const knowledge::LargeRepositoryRow* row = nullptr;
        for (const Argument& word : command.arguments)
          if (holds(word.text, "/") && row == nullptr && word.text.size() < 500)
            row = view.project->knowledge->build.large_repository(owner_and_name(word.text));
        if (row == nullptr) continue;
        Finding& found =
            sink.add("git-clone-full", *view.file, command.shell->span,
                     fmt::format("the whole history is cloned: {} for a tree that needs a part of "
                                 "it",
                                 row->size));
        found.evidence = {row->source};
        const bool stays = stage.final && !is_removed(commands, command);
        // Beside the wheels of the same image 100 MB are little.
        found.pedantic = !row->size.starts_with("over") || !stays;
        if (stays) found.evidence.push_back("this stage is part of the final image, .git with it");
        const bool branch = command.has("-b") || command.has("--branch");
        found.fix = history ? "add --filter=blob:none, which keeps the history and leaves out old "
                              "files: a later git command reads it"
                    : other_commit
                        ? "take a tag by git clone --depth 1 --branch TAG; of a commit "
                          "fetch that one: git init, git fetch --depth 1 URL COMMIT, git "
                          "checkout FETCH_HEAD"
                    : branch ? "add --depth 1"
                             : "add --depth 1, and --branch TAG for a release";
        if (other_commit && (command.has("--recursive") || command.has("--recurse-submodules")))
          found.fix += ", then git submodule update --init --recursive --depth 1";
        if (row->tags)
          found.fix +=
              "; it takes its version from the tags, so set "
              "SETUPTOOLS_SCM_PRETEND_VERSION";
        if (other_commit || row->tags) continue;
        for (const ShellWord& word : command.shell->words)
          if (word.text == "clone") {
            found.edits.push_back({{word.span.end, word.span.end}, " --depth 1"});
            break;
          }
      }
    }
  }
}

void large_layers(const FileView& view, const StageSteps& steps, const SentFiles& sent,
                  FindingSink& sink) {
  if (!sent.known()) return;
  const std::uint64_t most = view.project->knowledge->build.limit("layer");
  for (const Step& step : steps.all()) {
    const Instruction& copy = *step.instruction;
    if (!copy.copies() || copy.flag("from") != nullptr) continue;
    std::uint64_t bytes = 0;
    std::size_t files = 0;
    for (std::size_t at = 0; at + 1 < copy.words.size(); ++at)
      for (const ContextFile* file : sent.below(copy.words[at].text)) {
        bytes += file->bytes;
        ++files;
      }
    if (bytes < most) continue;
    Finding& found = sink.add(
        "layer-too-large", *view.file, copy.keyword_span,
        fmt::format("this makes one layer of {} or more: it is pulled and unpacked in one stream",
                    human_bytes(bytes)));
    found.evidence = {fmt::format("{} files of the build context", files),
                      "build_files.json, limits, layer; ROCm/ROCm-docker#166"};
    found.fix = files > 1 ? "copy groups of files by several COPY lines, what changes least first"
                          : "mount the file in place of copying it";
  }
}

}  // namespace

void judge_size(const Project& /*project*/, const std::vector<FileView>& views, FindingSink& sink) {
  for (const FileView& view : views) {
    const StageSteps steps(view, view.stages.size() - 1);
    const SentFiles sent(view);
    recommends(view, sink);
    toolkit(view, sink);
    ignore_coverage(view, sent, sink);
    mounted_and_copied(view, sent, sink);
    clones(view, sink);
    large_layers(view, steps, sent, sink);
  }
}

}  // namespace flense::lint
