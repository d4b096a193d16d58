// What pip refuses: to install into the distribution's own Python, since Ubuntu 23.04 and Debian 12
// (PEP 668), and a version behind one '='.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/layer_paths.h"
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
                                                             "EXTERN",
                                                             "xternally",
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

/// A place of pip's own configuration: "/etc/pip.conf", "~/.config/pip".
bool is_of_pip(std::string_view path) {
  return ends_with_any(path, {"pip.conf", "/pip", "/.pip"}) && !holds(path, "cache");
}

/// A directory of programs that is called as those that hold a pip: "/app/env/bin".
bool may_hold_pip(std::string_view directory) {
  constexpr auto kNames = std::to_array<std::string_view>({"env", "conda", "mamba", "/app/"});
  return directory.ends_with("/shims") ||
         (directory.ends_with("/bin") &&
          std::ranges::any_of(kNames, [&](std::string_view one) { return holds(directory, one); }));
}

bool may_change_python(const Instruction& step) {
  if (std::ranges::any_of(mount_targets(step), is_of_pip)) return true;
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
                             (pair.key.text == "PATH" &&
                              (holds(to_lower(pair.value->text), "py") ||
                               std::ranges::any_of(split(pair.value->text, ':'), may_hold_pip)))));
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

/// "ubuntu22.04" where pip is the distribution's, and older than 23.0.1; else empty.
std::string_view distribution_of_old_pip(const GpuImage& base, std::string_view tag) {
  constexpr auto kOld =
      std::to_array<std::string_view>({"ubuntu22.04", "ubuntu20.04", "ubuntu18.04", "debian11"});
  if (is_plain(base)) {
    const auto at = std::ranges::find(kOld, base.distribution.value);
    return at == kOld.end() ? std::string_view() : *at;
  }
  // Jetson's images say which release of its Linux they are for.
  if (base.platform != "jetson" || base.framework.known()) return {};
  return tag.starts_with("r36") ? kOld[0] : tag.starts_with("r35") ? kOld[1] : std::string_view();
}

/// Words after which pip is another one; the option itself and its variable do not count.
bool may_bring_pip(const Instruction& step) {
  const auto is = [](std::string_view word) {
    return !holds(word, "break-system-packages") && !holds(word, "EXTERN") &&
           !holds(word, "xternally") && !holds(word, "BREAK_SYSTEM_PACKAGES") &&
           (is_otherwise(word) || holds(word, "ensurepip") || holds(word, "zipapp") ||
            holds(word, "easy_install") || holds(word, ".whl") || holds(word, "/pip-") ||
            holds(word, "sources.list"));
  };
  if (step.copies() && step.flag("from") != nullptr) return true;
  if (step.keyword == Keyword::kShell || step.keyword == Keyword::kEnv)
    return std::ranges::any_of(step.pairs, [&](const KeyValue& pair) {
      return pair.key.text == "PATH" || pair.key.text == "VIRTUAL_ENV" ||
             (pair.value && is(pair.value->text));
    });
  return std::ranges::any_of(step.commands, [&](const ShellCommand& command) {
    return std::ranges::any_of(command.words,
                               [&](const ShellWord& word) { return is(word.text); }) ||
           std::ranges::any_of(command.redirections,
                               [&](const auto& one) { return is(one.target.text); }) ||
           std::ranges::any_of(command.assignments,
                               [](const ShellAssignment& one) { return one.name == "PATH"; });
  });
}

/// By its name, or in a list that was not found.
bool may_renew_pip(const Install& install) {
  return install.files.size() < install.command.requirement_files.size() ||
         std::ranges::any_of(
             lists_of(install),
             [](const PackageList* list) { return list->find("pip") != nullptr; });
}

/// --break-system-packages for a pip that is older than the option.
void unknown_option(const FileView& view, const StageView& stage, FindingSink& sink) {
  const Stage& root = view.dockerfile->stages[view.dockerfile->lineage(stage.index).back()];
  const std::string_view distribution = distribution_of_old_pip(
      stage.image, root.image ? std::string_view(root.image->tag) : std::string_view());
  if (!stage.reachable || distribution.empty()) return;
  bool has_pip = false;
  for (const Install* install : view.installs_in(stage.index)) {
    has_pip = has_pip || brings_pip(*install);
    if (!has_pip || install->command.manager != PackageManager::kPip) continue;
    // Any earlier one may have brought a newer pip.
    const bool asks = install->command.has_option("--break-system-packages");
    if (asks ? install->command.find("pip") != nullptr : may_renew_pip(*install)) return;
    if (!asks) continue;
    const ShellCommand* shell = command_at(*install->instruction, install->command.span);
    if (install->stage != stage.index || shell == nullptr || shell->words.empty() ||
        !surely_runs(*install) || may_fail(*install->instruction, install->command.span))
      return;
    const StageSteps steps(view, stage.index);
    for (const Step& step : steps.all()) {
      if (step.instruction->span.begin > install->instruction->span.begin) break;
      if (may_bring_pip(*step.instruction)) return;
    }
    const auto word = std::ranges::find(shell->words, "--break-system-packages", &ShellWord::text);
    Finding& found = sink.add("pip-externally-managed", *view.file,
                              word == shell->words.end() ? shell->words.front().span : word->span,
                              fmt::format("pip of {} is older than this option: \"no such option: "
                                          "--break-system-packages\"",
                                          distribution));
    found.evidence = {"pip 23.0.1 was the first to know it", "ggml-org/llama.cpp#15357"};
    found.fix = "leave the option out: this distribution's Python lets pip write";
    return;
  }
}

/// The program that the image starts, where it is `python` alone; null: another, or none.
const Instruction* starts_python(const StageSteps& steps, Span& at) {
  const Instruction *entry = nullptr, *command = nullptr;
  for (const Step& step : steps.all()) {
    if (step.instruction->keyword == Keyword::kEntrypoint) {
      entry = step.instruction;
      command = nullptr;
    }
    if (step.instruction->keyword == Keyword::kCmd) command = step.instruction;
  }
  const Instruction* start = entry != nullptr ? entry : command;
  if (start == nullptr) return nullptr;
  if (start->exec_form) {
    if (start->words.empty() || start->words.front().text != "python") return nullptr;
    at = start->words.front().span;
    return start;
  }
  if (start->commands.size() != 1 || start->commands.front().words.empty() ||
      start->commands.front().words.front().text != "python")
    return nullptr;
  at = start->commands.front().words.front().span;
  return start;
}

/// Directories where programs lie, and those that hold them.
bool holds_programs(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return is_one_of(path, {"/", "/usr", "/usr/local"}) || file_name(path) == "bin";
}

/// Programs of which is known that they make no other one, but for what their words say.
bool makes_no_program(const StepCommand& command) {
  constexpr auto kKnown = std::to_array<std::string_view>({"apt-get",
                                                           "apt",
                                                           "apt-mark",
                                                           "apt-key",
                                                           "apt-cache",
                                                           "dpkg-reconfigure",
                                                           "rm",
                                                           "mkdir",
                                                           "rmdir",
                                                           "chmod",
                                                           "chown",
                                                           "useradd",
                                                           "adduser",
                                                           "usermod",
                                                           "groupadd",
                                                           "echo",
                                                           "printf",
                                                           "cd",
                                                           "export",
                                                           "set",
                                                           "true",
                                                           ":",
                                                           "pip",
                                                           "pip3",
                                                           "git",
                                                           "curl",
                                                           "wget",
                                                           "ls",
                                                           "cat",
                                                           "test",
                                                           "[",
                                                           "sed",
                                                           "touch",
                                                           "which",
                                                           "sleep",
                                                           "locale-gen",
                                                           "unset",
                                                           "sync",
                                                           "update-locale",
                                                           "ldconfig",
                                                           "huggingface-cli",
                                                           "hf",
                                                           "ln",
                                                           "cp",
                                                           "mv",
                                                           "python3",
                                                           "nvidia-smi",
                                                           "ffmpeg",
                                                           "gpg",
                                                           "tee",
                                                           "date",
                                                           "grep",
                                                           "find",
                                                           "tar",
                                                           "unzip",
                                                           "groupmod",
                                                           "sort",
                                                           "head"});
  if (!is_one_of(command.program, kKnown)) return false;
  const bool system = is_one_of(command.program, {"apt-get", "apt"});
  const bool places = is_one_of(command.program, {"ln", "cp", "mv"});
  // tar -C /usr
  if (is_one_of(command.program, {"tar", "unzip"}))
    return std::ranges::none_of(command.arguments,
                                [](const Argument& word) { return holds_programs(word.text); });
  if (command.program == "python3") return !command.has("venv") && !command.has("virtualenv");
  return std::ranges::none_of(command.arguments, [&](const Argument& word) {
    const std::string& text = word.text;
    if (places)
      return holds(text, "python") || holds(text, "$") || holds(text, "*") ||
             (&word == &command.arguments.back() && holds_programs(text));
    if (system)
      return holds(text, "$") || text.ends_with(".deb") || text == "python" ||
             starts_with_any(text, {"python-", "python2"});
    return file_name(text) == "python";
  });
}

/// A step may make a program of this name: a link, an alternative, a program of unknown effect.
bool may_make_python(const Step& step) {
  const Instruction& instruction = *step.instruction;
  if (may_bring_pip(instruction)) return true;
  if (instruction.copies())
    return std::ranges::any_of(instruction.words,
                               [](const Word& word) { return file_name(word.text) == "python"; }) ||
           (!instruction.words.empty() && may_copy_directory(instruction) &&
            (std::ranges::any_of(instruction.words,
                                 [](const Word& word) { return holds_programs(word.text); }) ||
             (!instruction.words.back().text.starts_with('/') && holds_programs(step.directory))));
  if (instruction.keyword == Keyword::kOnbuild) return true;
  if (instruction.keyword != Keyword::kRun) return false;
  return instruction.commands.empty() ||
         std::ranges::any_of(instruction.commands,
                             [](const ShellCommand& command) {
                               return std::ranges::any_of(
                                   command.redirections, [](const ShellRedirection& one) {
                                     return file_name(one.target.text) == "python";
                                   });
                             }) ||
         std::ranges::any_of(commands_of(instruction),
                             [](const StepCommand& command) { return !makes_no_program(command); });
}

/// A service that builds the image starts another program in it.
bool is_started_otherwise(const FileView& view) {
  const std::string path = normal_path(view.file->source.path());
  return std::ranges::any_of(view.project->files, [&](const auto& file) {
    return std::ranges::any_of(file->workloads, [&](const Workload& one) {
      if (!one.build_context || (one.command.empty() && one.arguments.empty())) return false;
      const std::string context =
          path_below(directory_of(file->source.path()), one.build_context->text);
      return normal_path(
                 path_below(context, one.dockerfile ? one.dockerfile->text : "Dockerfile")) == path;
    });
  });
}

/// CMD ["python", …] on a distribution that calls it python3.
void python_alone(const FileView& view, FindingSink& sink) {
  const StageView& last = view.stages.back();
  if (!is_plain(last.image) ||
      !is_one_of(last.image.distribution.value,
                 {"ubuntu20.04", "ubuntu22.04", "ubuntu24.04", "debian11", "debian12", "debian13"}))
    return;
  const StageSteps steps(view, last.index);
  Span at;
  if (starts_python(steps, at) == nullptr) return;
  bool has_python = false;
  for (const Install* install : view.installs_in(last.index))
    has_python = has_python || (install->command.manager == PackageManager::kApt &&
                                std::ranges::any_of(install->command.packages, [](const auto& one) {
                                  return one.name.starts_with("python3");
                                }));
  if (!has_python || std::ranges::any_of(steps.all(), may_make_python)) return;
  Finding& found = sink.add(
      "python-not-in-image", *view.file, at,
      fmt::format("{} has python3 and no python: the container ends with \"executable file not "
                  "found in $PATH\"",
                  last.image.distribution.value));
  found.evidence = {last.image.distribution.evidence,
                    "Debian's package python3 brings python3 alone"};
  found.pedantic = is_started_otherwise(view);
}

/// Whether another program than pip takes the list: conda, or sed, which may mend it.
bool is_read_by_others(const PlacedList& place, const std::vector<PlacedList>& all) {
  if (place.list == &place.install->command) return false;
  if (std::ranges::any_of(all, [&](const PlacedList& other) {
        return other.file == place.file && other.install != nullptr &&
               other.list != &other.install->command &&
               other.install->command.manager == PackageManager::kConda;
      }))
    return true;
  const std::string_view name = file_name(place.file->source.path());
  return std::ranges::any_of(place.view->dockerfile->stages, [&](const Stage& stage) {
    return std::ranges::any_of(stage.instructions, [&](const Instruction& step) {
      return std::ranges::any_of(step.step_commands, [&](const StepCommand& command) {
        if (!is_one_of(command.program, {"conda", "mamba", "micromamba", "sed", "perl", "awk"}))
          return false;
        return std::ranges::any_of(
            command.arguments, [&](const Argument& word) { return file_name(word.text) == name; });
      });
    });
  });
}

/// torch=2.6.0, which conda reads and pip does not.
void one_equals(const PlacedList& place, const std::vector<PlacedList>& all, FindingSink& sink) {
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
    if (is_read_by_others(place, all)) return;
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
  const std::vector<PlacedList> all = placed_lists(project, views);
  for (const PlacedList& place : all) {
    one_equals(place, all, sink);
    broken_version(place, sink);
  }
  for (const FileView& view : views) {
    if (!view.dockerfile->template_language.empty() || !is_gpu_file(view)) continue;
    for (const StageView& stage : view.stages) {
      refused(view, stage, sink);
      unknown_option(view, stage, sink);
    }
    python_alone(view, sink);
  }
}

}  // namespace flense::lint
