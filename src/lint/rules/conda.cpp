// conda in images: `conda run` in front of the program, and environments that PATH does not match.
#include <algorithm>
#include <set>
#include <span>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/purpose.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

bool is_conda_run(const std::vector<std::string>& words) {
  if (words.size() < 2) return false;
  const std::string_view program = std::string_view(words[0]).substr(words[0].rfind('/') + 1);
  return (program == "conda" || program == "mamba") && words[1] == "run";
}

/// Whether a step behind SHELL runs in that shell, or the program is started through it.
struct Uses {
  bool step = false, start = false;
};
Uses uses_of_shell(const StageView& stage, const Instruction& shell) {
  Uses out;
  const auto& all = stage.stage->instructions;
  for (const Instruction& one :
       std::span(all).subspan(static_cast<std::size_t>(&shell - all.data()) + 1)) {
    if (one.keyword == Keyword::kShell) break;
    if (one.exec_form) continue;
    out.step = out.step || one.keyword == Keyword::kRun;
    out.start = out.start || one.keyword == Keyword::kCmd || one.keyword == Keyword::kEntrypoint;
  }
  return out;
}

void conda_run(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    for (const Instruction& instruction : stage.stage->instructions) {
      const bool shell = instruction.keyword == Keyword::kShell;
      if (!shell && instruction.keyword != Keyword::kEntrypoint &&
          instruction.keyword != Keyword::kCmd)
        continue;
      if (!shell && !stage.final) continue;
      std::vector<std::string> words;
      Span span = instruction.arguments;
      if (instruction.exec_form || shell) {
        for (const Word& word : instruction.words) words.push_back(word.text);
        if (instruction.words.size() > 1)
          span = {instruction.words[0].span.begin, instruction.words[1].span.end};
      } else if (!instruction.commands.empty()) {
        const ShellCommand& command = instruction.commands.front();
        const Program program = program_of(command);
        for (std::size_t at = program.first; at < command.words.size(); ++at)
          words.push_back(command.words[at].text);
        if (words.size() > 1)
          span = {command.words[program.first].span.begin,
                  command.words[program.first + 1].span.end};
      }
      if (!is_conda_run(words)) continue;
      const bool live = std::ranges::any_of(words, [](const std::string& word) {
        return word == "--no-capture-output" || word == "--live-stream" || word == "-s";
      });
      const Uses uses = shell ? uses_of_shell(stage, instruction) : Uses();
      if (shell && (live || (!uses.step && !uses.start))) continue;
      Finding& found = sink.add(
          "conda-run-entrypoint", *view.file, span,
          shell ? "conda run as the shell holds back the output of every step until it has ended"
                : fmt::format("conda run stays in front of the program: SIGTERM does not reach "
                              "it{}",
                              live ? "" : ", and its output is held back until it ends"));
      found.evidence = {"conda/conda#10351, conda/conda#8586"};
      // A container of a test runs once, and nobody waits for its lines, nor for a build's. That a
      // container takes ten seconds to stop few mind.
      const bool builds = !words.empty() && words.back().ends_with(".sh") &&
                          file_name(words.back()).contains("build");
      // mamba of 2.0 and later passes both on.
      found.pedantic = is_example(view.file->source.project_path()) ||
                       (shell ? !uses.start : live || builds) || words[0].ends_with("mamba");
      found.fix =
          shell ? "add --no-capture-output, or put the environment's bin folder in front "
                  "of PATH"
                : "call the program by its path in the environment (…/envs/NAME/bin/python); "
                  "where scripts of activation matter, by one that activates and ends in exec";
    }
  }
}

/// "NAME" of ".../envs/NAME/…"; empty: none.
std::string environment_in(std::string_view path) {
  const std::size_t at = path.find("/envs/");
  if (at == path.npos) return {};
  const std::string_view rest = path.substr(at + 6);
  const std::string_view name = rest.substr(0, rest.find_first_of("/:\"' "));
  return name.find('$') == name.npos ? std::string(name) : std::string();
}

/// Names of the environments that a stage creates; false: one of them is unknown.
bool environments_of(const FileView& view, std::size_t stage, std::set<std::string>& out) {
  bool any = false;
  for (const Install* install : view.installs_in(stage)) {
    const PackageList& list = install->command;
    if (list.manager != PackageManager::kConda) continue;
    if (list.verb != "create" && list.verb != "env create" && list.verb != "env update") continue;
    any = true;
    std::string name;
    for (const std::string& option : list.options) {
      for (const std::string_view prefix : {"-n=", "--name="})
        if (option.starts_with(prefix)) name = option.substr(prefix.size());
      for (const std::string_view prefix : {"-p=", "--prefix="})
        if (option.starts_with(prefix)) {
          const std::string path = option.substr(prefix.size());
          name = environment_in(path + "/");
          if (name.empty()) name = path;
        }
    }
    if (name.empty() && install->files.size() == 1) name = install->files[0]->packages->name;
    if (name.empty() || name.find('$') != std::string::npos) return false;
    out.insert(name);
  }
  return any;
}

/// A base that comes without environments, but for its own.
bool has_no_environments(const GpuImage& base) {
  return !base.repository.contains('/') ||
         starts_with_any(base.repository,
                         {"nvidia/cuda", "pytorch/pytorch", "continuumio/", "condaforge/",
                          "mambaorg/", "rocm/dev-", "nvcr.io/nvidia/cuda"});
}

/// Environments may come from another image, packed, or by a tool of their own.
bool may_bring_environments(const FileView& view, std::size_t stage) {
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& step : view.dockerfile->stages[one].instructions) {
      if (step.copies() && std::ranges::any_of(step.words, [](const Word& word) {
            return word.text.contains("conda") || word.text.contains("/envs") ||
                   word.text.contains("mamba") || word.text == "/opt" || word.text == "/";
          }))
        return true;
      for (const StepCommand& command : commands_of(step)) {
        if (is_shell(command.program) &&
            std::ranges::any_of(command.arguments,
                                [](const Argument& word) { return word.text.ends_with(".sh"); }))
          return true;
        if (is_one_of(command.program,
                      {"conda-lock", "conda-unpack", "pixi", "tar", "virtualenv"}) ||
            command.program.ends_with(".sh") || command.has("venv"))
          for (const Argument& word : command.arguments)
            if (word.text.contains("/envs/") || command.program != "tar") return true;
      }
    }
  return false;
}

void environment_path(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages) {
    if (!stage.reachable || !has_no_environments(stage.image) ||
        may_bring_environments(view, stage.index))
      continue;
    std::set<std::string> made;
    if (!environments_of(view, stage.index, made)) continue;
    const auto judge = [&](const std::string& name, Span span, std::string_view where) {
      if (name.empty() || name == "base" || made.contains(name)) return;
      std::string all;
      for (const std::string& one : made) all += (all.empty() ? "" : ", ") + one;
      Finding& found = sink.add(
          "conda-environment-path", *view.file, span,
          fmt::format("{} names the environment '{}', and the one that is made is called '{}'",
                      where, name, all));
      found.evidence = {"environments that the stage creates: " + all};
      found.fix = made.begin()->starts_with('/')
                      ? fmt::format("write {}/bin", *made.begin())
                      : fmt::format("write {} in place of {}", *made.begin(), name);
    };
    for (const Instruction& instruction : stage.stage->instructions) {
      if (instruction.keyword == Keyword::kEnv)
        for (const KeyValue& pair : instruction.pairs) {
          if (!pair.value) continue;
          if (pair.key.text == "PATH")
            judge(environment_in(pair.value->text), pair.value->span, "PATH");
          if (pair.key.text == "CONDA_DEFAULT_ENV" &&
              pair.value->text.find('$') == std::string::npos)
            judge(pair.value->text, pair.value->span, "CONDA_DEFAULT_ENV");
        }
      if (instruction.exec_form || instruction.keyword == Keyword::kShell) {
        for (std::size_t at = 0; at + 1 < instruction.words.size(); ++at)
          if (at > 0 &&
              (instruction.words[at].text == "-n" || instruction.words[at].text == "--name") &&
              is_conda_run({instruction.words[0].text, instruction.words[1].text}))
            judge(instruction.words[at + 1].text, instruction.words[at + 1].span,
                  to_string(instruction.keyword));
      }
    }
  }
}

}  // namespace

void judge_conda(const Project& /*project*/, const std::vector<FileView>& views,
                 FindingSink& sink) {
  for (const FileView& view : views) {
    conda_run(view, sink);
    environment_path(view, sink);
  }
}

}  // namespace flense::lint
