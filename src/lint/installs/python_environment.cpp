// What pip refuses: to install into the distribution's own Python, since Ubuntu 23.04 and Debian 12
// (PEP 668), and an option that it does not know.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/system_python.h"
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

/// PyTorch's own images have Ubuntu's Python since 2.10, and its mark with it.
bool is_managed_pytorch(const GpuImage& base) {
  return base.repository == "pytorch/pytorch" && base.framework_version.known() &&
         compare_versions(base.framework_version.value, "2.10") >= 0 &&
         compare_versions(base.framework_version.value, "2.13") < 0;
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
                            [](const ShellWord& word) { return may_be_other_python(word.text); }) ||
        std::ranges::any_of(command.redirections,
                            [](const auto& one) { return may_be_other_python(one.target.text); }) ||
        std::ranges::any_of(command.assignments, [](const ShellAssignment& one) {
          return may_be_other_python(one.name) || one.name == "PATH";
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
      return may_be_other_python(pair.key.text) || pair.key.text == "VIRTUAL_ENV" ||
             (pair.value && (may_be_other_python(pair.value->text) ||
                             (pair.key.text == "PATH" &&
                              (holds(to_lower(pair.value->text), "py") ||
                               std::ranges::any_of(split(pair.value->text, ':'), may_hold_pip)))));
    });
  if (step.keyword == Keyword::kShell) return true;
  // What another image brings below /usr or / may be its Python.
  const bool brings = step.copies() && step.flag("from") != nullptr;
  return std::ranges::any_of(step.words, [&](const Word& word) {
    return may_be_other_python(word.text) ||
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

/// pip install --upgrade pip setuptools: packages that come with the distribution's pip.
bool upgrades_own(const Install& install) {
  return std::ranges::any_of(install.command.packages, [&](const PackageRequest& one) {
    return is_one_of(one.name, {"pip", "setuptools", "wheel"}) &&
           (!one.specifier.empty() || install.command.upgrades());
  });
}

/// Packages of the distribution that programs of its Python import: python3-opencv.
bool has_packages(const FileView& view, const StageView& stage) {
  return std::ranges::any_of(view.installs_in(stage.index), [](const Install* install) {
    return install->command.manager == PackageManager::kApt &&
           std::ranges::any_of(install->command.packages, [](const PackageRequest& one) {
             return one.name.starts_with("python3-") &&
                    !is_one_of(one.name, {"python3-pip", "python3-venv", "python3-dev",
                                          "python3-setuptools", "python3-wheel", "python3-full",
                                          "python3-distutils", "python3-minimal"});
           });
  });
}

void refused(const FileView& view, const StageView& stage, FindingSink& sink) {
  const bool pytorch = is_managed_pytorch(stage.image);
  if (!stage.reachable ||
      (!pytorch && (!is_plain_system(stage.image) || !is_managed(stage.image.distribution.value))))
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
  // What the environment is to find beside its own: the base's torch, packages of apt.
  found.fix = fmt::format(
      "make an environment first: apt-get install python3-venv, python3 -m venv {}/opt/venv, "
      "{} PATH=/opt/venv/bin:$PATH",
      pytorch || has_packages(view, stage) ? "--system-site-packages " : "", view.setting_word());
  // The distribution's packages keep no list of their files, by which newer ones could replace
  // them.
  if (upgrades_own(*first))
    found.evidence.emplace_back(
        "with --break-system-packages: \"Cannot uninstall pip …, RECORD file not found\"");
  else
    found.fix += "; or, as the image has no other use, --break-system-packages";
}

/// "ubuntu22.04" where pip is the distribution's, and older than 23.0.1; else empty.
std::string_view distribution_of_old_pip(const GpuImage& base, std::string_view tag) {
  constexpr auto kOld =
      std::to_array<std::string_view>({"ubuntu22.04", "ubuntu20.04", "ubuntu18.04", "debian11"});
  if (is_plain_system(base)) {
    const auto at = std::ranges::find(kOld, base.distribution.value);
    return at == kOld.end() ? std::string_view() : *at;
  }
  // Jetson's images say which release of its Linux they are for.
  if (base.platform != "jetson" || base.framework.known()) return {};
  return tag.starts_with("r36") ? kOld[0] : tag.starts_with("r35") ? kOld[1] : std::string_view();
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

}  // namespace

void judge_python_environment(const Project& /*project*/, const std::vector<FileView>& views,
                              FindingSink& sink) {
  for (const FileView& view : views) {
    if (!view.dockerfile->template_language.empty() || !is_gpu_file(view)) continue;
    for (const StageView& stage : view.stages) {
      refused(view, stage, sink);
      unknown_option(view, stage, sink);
    }
  }
}

}  // namespace flense::lint
