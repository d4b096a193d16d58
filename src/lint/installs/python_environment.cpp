// What pip refuses: to install into the distribution's own Python, since Ubuntu 23.04 and Debian 12
// (PEP 668), and a version behind one '='.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// A distribution whose Python says that it is managed by its packages.
bool is_managed(std::string_view distribution) {
  if (distribution.starts_with("ubuntu"))
    return compare_versions(distribution.substr(6), "23.04") >= 0;
  return distribution.starts_with("debian") && compare_versions(distribution.substr(6), "12") >= 0;
}

/// Bases that are the distribution and libraries beside it, without a Python of their own.
bool is_plain(const GpuImage& base) {
  return is_one_of(base.repository, {"nvidia/cuda", "ubuntu", "debian"}) ||
         base.repository.starts_with("rocm/dev-ubuntu-");
}

/// PyTorch's own images have Ubuntu's Python since 2.10, and its mark with it.
bool is_managed_pytorch(const GpuImage& base) {
  return base.repository == "pytorch/pytorch" && base.framework_version.known() &&
         compare_versions(base.framework_version.value, "2.10") >= 0 &&
         compare_versions(base.framework_version.value, "2.13") < 0;
}

/// Words of steps after which pip may be another one, or may write: environments, other Pythons,
/// the mark's removal.
constexpr auto kOtherwise = std::to_array<std::string_view>({"venv",
                                                             "virtualenv",
                                                             "conda",
                                                             "mamba",
                                                             "miniforge",
                                                             "pyenv",
                                                             "deadsnakes",
                                                             "get-pip",
                                                             "EXTERNALLY-MANAGED",
                                                             "break-system-packages",
                                                             "BREAK_SYSTEM_PACKAGES",
                                                             "pip.conf",
                                                             "uv python",
                                                             "activate",
                                                             "altinstall",
                                                             "Python-3",
                                                             "update-alternatives",
                                                             "python.org",
                                                             "python-build-standalone",
                                                             "PIP_TARGET",
                                                             "PIP_PREFIX",
                                                             "PIP_PYTHON",
                                                             "pixi",
                                                             ".sh"});

bool is_otherwise(std::string_view word) {
  return std::ranges::any_of(kOtherwise, [&](std::string_view one) { return holds(word, one); });
}

bool may_change_python(const Instruction& step) {
  for (const ShellCommand& command : step.commands) {
    if (std::ranges::any_of(command.words,
                            [](const ShellWord& word) { return is_otherwise(word.text); }) ||
        std::ranges::any_of(command.redirections,
                            [](const auto& one) { return is_otherwise(one.target.text); }) ||
        std::ranges::any_of(command.assignments, [](const ShellAssignment& one) {
          return is_otherwise(one.name) || one.name == "PATH";
        }))
      return true;
    // A script that the build brought, or `uv python install`.
    if (command.words.empty()) continue;
    const std::string_view program = command.words[program_of(command).first].text;
    if (program.starts_with("./") || program.starts_with("/") || program == "uv" ||
        is_one_of(program, {".", "source", "bash", "sh"}))
      return program != "uv" || std::ranges::any_of(command.words, [](const ShellWord& word) {
               return is_one_of(word.text, {"python", "sync"});
             });
  }
  if (step.keyword == Keyword::kRun || step.keyword == Keyword::kFrom) return false;
  if (step.keyword == Keyword::kEnv)
    return std::ranges::any_of(step.pairs, [](const KeyValue& pair) {
      return is_otherwise(pair.key.text) || pair.key.text == "VIRTUAL_ENV" ||
             (pair.value && (is_otherwise(pair.value->text) ||
                             (pair.key.text == "PATH" && holds(to_lower(pair.value->text), "py"))));
    });
  if (step.keyword == Keyword::kShell) return true;
  // What another image brings below /usr or / may be its Python.
  const bool brings = step.copies() && step.flag("from") != nullptr;
  return std::ranges::any_of(step.words, [&](const Word& word) {
    return is_otherwise(word.text) ||
           (brings && is_one_of(word.text, {"/", "/usr", "/usr/", "/usr/local", "/usr/local/",
                                            "/opt", "/opt/"})) ||
           (brings && holds(word.text, "python"));
  });
}

/// The distribution's pip, or uv that is told to use its Python, and no option for another place.
bool writes_to_system(const Install& install) {
  const PackageList& command = install.command;
  if (command.verb != "install" && command.verb != "sync") return false;
  if (std::ranges::any_of(command.options, [](const std::string& option) {
        return starts_with_any(option, {"--break-system-packages", "--target", "-t=", "--prefix",
                                        "--root=", "--python", "-p=", "--editable-mode"});
      }))
    return false;
  const ShellCommand* shell = command_at(*install.instruction, command.span);
  if (shell == nullptr || shell->words.empty()) return false;
  if (command.manager == PackageManager::kUv)
    return command.verb == "install" && command.program == "uv" &&
           (command.has_option("--system") ||
            variable_at(*install.instruction, shell, "UV_SYSTEM_PYTHON").on()) &&
           !variable_at(*install.instruction, shell, "UV_BREAK_SYSTEM_PACKAGES").set;
  if (command.manager != PackageManager::kPip) return false;
  const std::string_view program = shell->words[program_of(*shell).first].text;
  return is_one_of(program, {"pip", "pip3", "python", "python3", "/usr/bin/pip", "/usr/bin/pip3",
                             "/usr/bin/python3"}) &&
         !variable_at(*install.instruction, shell, "PIP_BREAK_SYSTEM_PACKAGES").set;
}

bool brings_pip(const Install& install) {
  return install.command.manager == PackageManager::kApt &&
         std::ranges::any_of(install.command.packages, [](const PackageRequest& one) {
           return is_one_of(one.name, {"python3-pip", "pip"});
         });
}

void refused(const FileView& view, const StageView& stage, FindingSink& sink) {
  const bool pytorch = is_managed_pytorch(stage.image);
  if (!stage.reachable ||
      (!pytorch && (!is_plain(stage.image) || !is_managed(stage.image.distribution.value))))
    return;
  bool has_pip = pytorch;
  const Install* first = nullptr;
  for (const Install* install : view.installs_in(stage.index)) {
    has_pip = has_pip || brings_pip(*install);
    if (!has_pip || !writes_to_system(*install)) continue;
    first = install;
    break;
  }
  // A stage below says it of its own steps.
  if (first == nullptr || first->stage != stage.index || !surely_runs(*first)) return;
  const StageSteps steps(view, stage.index);
  for (const Step& step : steps.all()) {
    if (step.instruction->span.begin > first->instruction->span.begin) break;
    if (may_change_python(*step.instruction)) return;
  }
  const ShellCommand* shell = command_at(*first->instruction, first->command.span);
  // `pip install … || pip install --break-system-packages …`
  if (shell->joined_by == "||") return;
  Finding& found = sink.add(
      "pip-externally-managed", *view.file, shell->words.front().span,
      fmt::format("{} refuses to install into the Python of {}: \"externally-managed-environment\"",
                  first->command.program,
                  pytorch ? "pytorch/pytorch:" + stage.image.framework_version.value
                          : stage.image.distribution.value));
  found.evidence = {pytorch ? "awslabs/awsome-distributed-ai#1048, meta-pytorch/monarch#2284"
                            : stage.image.distribution.evidence,
                    "PEP 668; ggml-org/llama.cpp#15004, nvidia-holoscan/holohub#918"};
  found.fix =
      "make an environment first: apt-get install python3-venv, RUN python3 -m venv /opt/venv, ENV "
      "PATH=/opt/venv/bin:$PATH; or, as the image has no other use, --break-system-packages";
}

/// torch=2.6.0, which conda reads and pip does not.
void one_equals(const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || !is_gpu_file(*place.view)) return;
  const PackageManager manager = place.install->command.manager;
  if ((manager != PackageManager::kPip && manager != PackageManager::kUv) ||
      !is_one_of(place.install->command.verb, {"install", "add", "wheel", "download"}))
    return;
  for (const PackageRequest& request : place.list->packages) {
    const std::string& text = request.specifier;
    if (text.size() < 2 || text[0] != '=' || text[1] == '=' ||
        request.manager == PackageManager::kConda)
      continue;
    Finding& found = sink.add(
        "requirement-invalid", *place.file, request.span,
        fmt::format("pip does not read {}{}: \"Invalid requirement\"", request.name, text));
    found.evidence = {"PEP 440: the operator is ==; deepjavalibrary/djl-serving#758"};
    found.fix = fmt::format("write {}={}", request.name, text);
    const std::string_view raw = place.file->source.slice(request.span);
    if (const std::size_t at = raw.find(text); at != raw.npos)
      found.edits.push_back({{request.span.begin + at, request.span.begin + at}, "="});
    return;
  }
}

/// "==0.25.2.", and in a list of its own "torch==": PEP 440 has no such versions.
bool has_broken_version(const PlacedList& place, const PackageRequest& request) {
  // Of a command the caller may hand over what stands behind the operator.
  const bool command = place.list == &place.install->command;
  if (request.specifier.empty() || request.specifier.find_first_of("${*(") != std::string::npos)
    return false;
  return std::ranges::any_of(split(request.specifier, ','), [&](std::string_view part) {
    const std::size_t end = part.find_first_not_of("=<>!~");
    if (end == part.npos) return !part.empty() && !command;
    return end >= 2 && part.ends_with('.') && is_digit(part[end]);
  });
}

void broken_version(const PlacedList& place, FindingSink& sink) {
  if (place.view == nullptr || !is_gpu_file(*place.view) ||
      !is_one_of(place.install->command.verb, {"install", "add", "wheel", "download"}))
    return;
  for (const PackageRequest& request : place.list->packages) {
    if ((request.manager != PackageManager::kPip && request.manager != PackageManager::kUv) ||
        !has_broken_version(place, request))
      continue;
    Finding& found = sink.add("requirement-invalid", *place.file, request.span,
                              fmt::format("pip does not read {}{}: \"Invalid requirement\"",
                                          request.name, request.specifier));
    found.evidence = {"PEP 440, version specifiers"};
    found.fix = request.specifier.ends_with('.')
                    ? "take the dot off its end"
                    : fmt::format("write a version behind {}", request.specifier);
    return;
  }
}

}  // namespace

void judge_python_environment(const Project& project, const std::vector<FileView>& views,
                              FindingSink& sink) {
  for (const PlacedList& place : placed_lists(project, views)) {
    one_equals(place, sink);
    broken_version(place, sink);
  }
  for (const FileView& view : views) {
    if (!view.dockerfile->template_language.empty() || !is_gpu_file(view)) continue;
    for (const StageView& stage : view.stages) refused(view, stage, sink);
  }
}

}  // namespace flense::lint
