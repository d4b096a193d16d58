// Steps that do nothing of what they say, and images that no builder makes.
#include <algorithm>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// What people name a stage, and no image of a public registry that one would copy from.
bool is_name_of_stage(std::string_view name) {
  return is_one_of(name, {"builder",
                          "build",
                          "base",
                          "deps",
                          "dependencies",
                          "compile",
                          "compiler",
                          "builder-base",
                          "build-base",
                          "build-env",
                          "build-stage",
                          "builder-stage",
                          "python-builder",
                          "python-base",
                          "python-deps",
                          "wheel",
                          "wheels",
                          "development",
                          "devel",
                          "dev",
                          "prod",
                          "production",
                          "runtime",
                          "stage",
                          "stage0",
                          "stage1",
                          "frontend",
                          "frontend-builder",
                          "frontend-build",
                          "backend",
                          "backend-builder",
                          "venv",
                          "final",
                          "download",
                          "downloader",
                          "models",
                          "model",
                          "cuda",
                          "cuda-builder",
                          "opencv",
                          "ffmpeg-builder",
                          "model-downloader",
                          "poetry",
                          "install",
                          "installer",
                          "packages"});
}

/// Build contexts that Compose, bake or a command gives a name are images to the file.
bool may_be_named_elsewhere(const Project& project, std::string_view name) {
  return std::ranges::any_of(project.files, [&](const auto& file) {
    const std::string_view text = file->source.text();
    // An image of that name, which another command builds first.
    if (file->kind != FileKind::kDockerfile &&
        (text.contains(fmt::format("-t {}", name)) || text.contains(fmt::format("--tag {}", name))))
      return true;
    return (text.contains("additional_contexts") || text.contains("--build-context") ||
            text.contains("build-contexts") || text.contains("contexts")) &&
           file->kind != FileKind::kDockerfile && text.contains(name);
  });
}

void missing_stage(const FileView& view, FindingSink& sink) {
  // Of a template another file may hold the stage.
  if (const std::string_view text = view.file->source.text();
      text.contains("{{") || text.contains("{%") ||
      ends_with_any(view.file->source.path(), {".j2", ".jinja", ".jinja2", ".template", ".tmpl"}))
    return;
  constexpr std::size_t kMostAsked = 20;  // each looks into every file
  std::size_t asked = 0;
  for (const StageView& stage : view.stages) {
    if (!stage.reachable || asked >= kMostAsked) continue;
    for (const Instruction& copy : stage.stage->instructions) {
      const Flag* from = copy.copies() ? copy.flag("from") : nullptr;
      if (from == nullptr || view.dockerfile->copied_from(copy) ||
          !is_name_of_stage(to_lower(from->value)) || ++asked > kMostAsked ||
          may_be_named_elsewhere(*view.project, from->value))
        continue;
      Finding& found =
          sink.add("stage-missing", *view.file, from->span,
                   fmt::format("no stage before it has the name {}: the builder asks the registry "
                               "for an image of that name",
                               from->value));
      found.evidence = {"Dockerfile reference, COPY --from: a name that is no stage is an image"};
      const bool unnamed = std::ranges::any_of(view.stages, [&](const StageView& other) {
        return other.index < stage.index && other.stage->name.empty();
      });
      found.fix = unnamed ? fmt::format("name the stage: FROM … AS {}", from->value)
                          : "write the name of a stage that stands before it";
      break;  // the others have the same cause
    }
  }
}

/// The store of layers holds no more for one image.
constexpr std::size_t kMostLayers = 127;

void many_layers(const FileView& view, FindingSink& sink) {
  if (view.is_definition() || view.stages.empty()) return;
  std::size_t count = 0;
  const Instruction* last = nullptr;
  for (const std::size_t one : view.dockerfile->lineage(view.stages.size() - 1))
    for (const Instruction& step : view.dockerfile->stages[one].instructions)
      if (step.keyword == Keyword::kRun || step.copies()) {
        ++count;
        if (one == view.stages.size() - 1) last = &step;
      }
  if (count <= kMostLayers || last == nullptr) return;
  Finding& found =
      sink.add("too-many-layers", *view.file, last->keyword_span,
               fmt::format("{} steps make a layer each, and Docker's store takes at most {}: "
                           "the build ends with \"max depth exceeded\"",
                           count, kMostLayers));
  found.evidence = {"moby, layer store: maxLayerDepth"};
}

bool is_installer(std::string_view word) {
  return is_one_of(word, {"pip", "pip3", "conda", "mamba", "apt", "apt-get", "dnf", "yum", "uv"});
}

/// A line of a list, or of a shell's start.
bool is_line_of_file(std::string_view text) {
  return text.starts_with('/') || text.contains('=') || text.contains("deb ") ||
         text.contains("export ") || text.contains("source ") || text.contains("alias ");
}

bool writes(const ShellCommand& command) {
  return !command.redirections.empty() || command.joined_by == "|";
}

/// A file of the system that a build writes line by line: "/etc/apt/sources.list.d/cuda.list".
bool is_written_by_lines(std::string_view path) {
  return starts_with_any(path, {"/etc/apt/sources.list", "/etc/yum.repos.d/", "/etc/ld.so.conf",
                                "/etc/profile", "/etc/apt/apt.conf", "/etc/apt/preferences"}) ||
         ends_with_any(path, {"/.bashrc", "/.profile", "/.bash_profile"});
}

void only_printed(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages)
    for (const Instruction& step : stage.stage->instructions)
      for (const StepCommand& command : commands_of(step)) {
        if (command.program != "echo" || command.arguments.size() < 2 || writes(*command.shell) ||
            command.shell->in_subshell)
          continue;
        const std::string_view first = command.arguments[0].text;
        const Argument& last = command.arguments.back();
        const bool line = command.arguments.size() == 2 && is_line_of_file(first) &&
                          is_written_by_lines(last.text);
        const bool install = is_installer(first) && command.arguments.size() > 2 &&
                             command.arguments[1].text == "install" && !first.contains(' ') &&
                             step.keyword == Keyword::kRun;
        if (!line && !install) continue;
        Finding& found = sink.add(
            "step-only-printed", *view.file, line ? last.span : command.program_span,
            line ? fmt::format("echo prints its text and the name: nothing is written to {}",
                               last.text)
                 : fmt::format("echo prints the command: {} installs nothing", first));
        found.fix = line ? fmt::format("write > {}", last.text) : "delete echo";
        found.pedantic = install;
      }
}

/// "$(shell pwd)" where no make reads it: the shell looks for a program of that name.
void function_of_make(const ProjectFile& file, FindingSink& sink) {
  constexpr std::string_view kCall = "$(shell ";
  if (file.kind != FileKind::kShell && file.kind != FileKind::kWorkflow) return;
  const std::string_view text = file.source.text();
  const std::size_t at = text.find(kCall);
  if (at == text.npos || text.contains("shell()") || text.contains("alias shell") ||
      text.contains("akefile") || text.contains("make -f"))
    return;
  const std::size_t begin_of_line = text.rfind('\n', at) + 1;
  const std::string_view before = trim_space(text.substr(begin_of_line, at - begin_of_line));
  if (before.starts_with('#') || !(before.contains("docker") || before.contains("podman"))) return;
  Finding& found = sink.add("make-function-in-shell", file, {at, at + kCall.size() - 1},
                            "$(shell …) is a function of make: the shell looks for a program "
                            "named shell, and the value is empty");
  found.fix = "write $(…) without shell";
}

}  // namespace

void judge_broken_steps(const Project& project, const std::vector<FileView>& views,
                        FindingSink& sink) {
  for (const FileView& view : views) {
    missing_stage(view, sink);
    many_layers(view, sink);
    only_printed(view, sink);
  }
  for (const auto& file : project.files) function_of_make(*file, sink);
}

}  // namespace flense::lint
