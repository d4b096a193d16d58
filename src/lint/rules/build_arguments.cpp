// Arguments of builds: those that CI hands over, and those that a stage does not have.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/purpose.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// NAME="value" in build-args: no shell takes the quotes off.
void quoted(const ProjectFile& file, FindingSink& sink) {
  if (file.kind != FileKind::kWorkflow) return;
  for (const BuildTarget& build : file.names.builds)
    for (const auto& [name, value] : build.args) {
      const std::string& text = value.text;
      if (text.size() < 2 || (text.front() != '"' && text.front() != '\'') ||
          text.back() != text.front())
        continue;
      const std::string line = name.text + "=" + text;
      Span span = value.span;
      if (const std::size_t at = file.source.slice(span).find(line); at != std::string_view::npos)
        span = {span.begin + at, span.begin + at + line.size()};
      Finding& found =
          sink.add("build-argument-quoted", file, span,
                   fmt::format("the quotes are part of the value that the build gets: {}", text));
      found.evidence = {"docker/build-push-action, build-args: a list of NAME=value, one a line"};
      found.fix = fmt::format("write {}={}", name.text, text.substr(1, text.size() - 2));
    }
}

/// Variables that a base sets itself; of other bases nobody knows them here.
bool may_be_set(const GpuImage& base, std::string_view name) {
  const std::string_view repository = base.repository;
  if (repository == "nvidia/cuda")
    return starts_with_any(name, {"CUDA", "NV", "NCCL", "CUDNN", "LD_", "LIBRARY_"});
  if (repository.contains('/')) return true;
  // Images of Docker's own library set their own version: NODE_VERSION, PYTHON_VERSION.
  const std::string low = to_lower(name);
  return low.starts_with(repository.substr(0, repository.find_first_of("-_."))) ||
         starts_with_any(low, {"yarn", "gpg", "lang", "java", "rust", "cargo", "go"});
}

/// "$NAME" or "${NAME}" somewhere in a text, but for a form that says what to take instead.
bool uses(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find('$'); at != text.npos; at = text.find('$', at + 1)) {
    if (at > 0 && text[at - 1] == '\\') continue;
    std::string_view rest = text.substr(at + 1);
    const bool braced = rest.starts_with('{');
    if (braced) rest.remove_prefix(1);
    if (!rest.starts_with(name)) continue;
    rest.remove_prefix(name.size());
    const char next = rest.empty() ? ' ' : rest.front();
    if (braced ? next == '}' : !is_letter(next) && !is_digit(next) && next != '_') return true;
  }
  return false;
}

/// Whether a step may give the variable a value itself.
bool sets(const Instruction& step, std::string_view name) {
  return std::ranges::any_of(step.commands, [&](const ShellCommand& command) {
    if (std::ranges::any_of(command.assignments,
                            [&](const ShellAssignment& set) { return set.name == name; }))
      return true;
    if (command.words.empty()) return false;
    const std::string_view program = command.words.front().text;
    if (is_one_of(program, {"source", ".", "eval"})) return true;
    // export NAME=…, read NAME, for NAME in …: a word that is, or begins with, the name.
    return std::ranges::any_of(command.words, [&](const ShellWord& word) {
      return word.text == name || word.text.starts_with(std::string(name) + "=");
    });
  });
}

/// The place in a step that uses the variable; empty: none does.
Span use_of(const Instruction& step, std::string_view name) {
  if (step.keyword == Keyword::kRun) {
    if (!step.heredocs.empty() || !is_shell(step.interpreter) || sets(step, name)) return {};
    for (const ShellCommand& command : step.commands) {
      for (const ShellWord& word : command.words)
        if (word.dynamic && uses(word.text, name)) return word.span;
      for (const ShellAssignment& set : command.assignments)
        if (set.value.dynamic && uses(set.value.text, name)) return set.value.span;
    }
    return {};
  }
  if (step.keyword == Keyword::kEnv)
    for (const KeyValue& pair : step.pairs)
      if (pair.value && uses(pair.value->text, name)) return pair.value->span;
  if (step.copies() || step.keyword == Keyword::kWorkdir)
    for (const Word& word : step.words)
      if (uses(word.text, name)) return word.span;
  return {};
}

/// ARG in front of the first FROM is for FROM alone: a stage has to declare it again.
void lost_in_stage(const FileView& view, FindingSink& sink) {
  if (!view.dockerfile->template_language.empty() || !is_gpu_file(view)) return;
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    for (const Instruction& global : view.dockerfile->globals)
      for (const KeyValue& pair : global.pairs) {
        const std::string& name = pair.key.text;
        for (const Instruction& step : stage.stage->instructions) {
          if (step.keyword == Keyword::kFrom || !step.environment ||
              step.environment->contains(name))
            continue;
          const Span span = use_of(step, name);
          if (span.empty()) continue;
          Finding& found = sink.add(
              "arg-not-in-stage", *view.file, span,
              fmt::format("{} is empty here: an ARG in front of the first FROM counts for FROM "
                          "alone",
                          name));
          found.evidence = {
              fmt::format("ARG {} stands in front of FROM, and this stage has none", name),
              "Dockerfile reference, Understand how ARG and FROM interact"};
          found.fix = fmt::format("write ARG {} behind the FROM of this stage", name);
          const std::size_t end = stage.stage->instructions.front().span.end;
          found.edits.push_back({{end, end}, "\nARG " + name});
          found.pedantic = may_be_set(stage.image, name);
          break;
        }
      }
  }
}

}  // namespace

void judge_build_arguments(const Project& project, const std::vector<FileView>& views,
                           FindingSink& sink) {
  for (const auto& file : project.files) quoted(*file, sink);
  for (const FileView& view : views) lost_in_stage(view, sink);
}

}  // namespace flense::lint
