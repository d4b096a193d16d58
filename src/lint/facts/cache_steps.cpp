#include "lint/facts/cache_steps.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "lint/facts/layer_paths.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// A file of settings for pip, or `pip config set`: nothing is known of what it says.
bool configures_pip(const FileView& view, const Instruction& step) {
  const std::string_view text = view.text(step.span);
  return holds(text, "pip.conf") || holds(text, "no-cache-dir true") ||
         holds(text, "no-cache-dir false") || holds(text, "no-cache-dir 1") ||
         holds(text, "PIP_CONFIG_FILE");
}

/// Of a step without a USER of its own.
UserOfBase user_of_base(const FileView& view, const StageSteps& steps) {
  const GpuImage& image = view.stages.back().image;
  if (image.row != nullptr || image.official || image.repository.ends_with("nvidia/cuda") ||
      is_one_of(image.repository, {"ubuntu", "debian", "python", "fedora", "centos", "rockylinux",
                                   "almalinux", "amazonlinux", "buildpack-deps"}))
    return UserOfBase::kKnown;
  const std::string_view text = view.file->source.text();
  // Images of Jupyter keep their HOME, and S2I's their user, whoever installs.
  for (const std::string_view word : {"jovyan", "NB_UID", "NB_USER", "/opt/app-root"})
    if (text.contains(word)) return UserOfBase::kOther;
  const bool root =
      text.contains("/root") || std::ranges::any_of(steps.all(), [](const Step& other) {
        const Instruction& one = *other.instruction;
        if (one.keyword == Keyword::kUser && !one.words.empty() && is_root(one.words.front().text))
          return true;
        return is_root(other.user) && one.keyword == Keyword::kRun &&
               std::ranges::any_of(commands_of(one), [](const StepCommand& command) {
                 return command.shell->words.front().text != "sudo" &&
                        is_one_of(command.program,
                                  {"apt-get", "apt", "yum", "dnf", "microdnf", "apk", "zypper",
                                   "chown", "useradd", "adduser", "groupadd", "ldconfig"});
               });
      });
  if (root) return UserOfBase::kKnown;
  if (text.contains("sudo ") || text.contains("/home/") ||
      has_part(image.repository, "/-_", {"ray", "jupyter", "notebook", "notebooks", "s2i"}))
    return UserOfBase::kOther;
  return UserOfBase::kUnknown;
}

/// "pip", "python3 -m pip": what fills a cache, and names it by its option.
bool is_installer(const StepCommand& command) {
  return command.program.starts_with("pip") || command.program == "uv" ||
         command.program == "poetry" ||
         (command.program.starts_with("python") && command.has("-m"));
}

}  // namespace

CacheSteps::CacheSteps(const FileView& view, const StageSteps& steps)
    : view_(view), steps_(steps), user_(user_of_base(view, steps)) {
  for (const Step& step : steps.all()) {
    const Instruction& one = *step.instruction;
    if (pip_set_from_ == std::string_view::npos && configures_pip(view, one))
      pip_set_from_ = one.span.begin;
    if (!one.words.empty() && (one.copies() || one.keyword == Keyword::kVolume))
      takes_place(step, one.words.back().text, step.directory);
    if (one.keyword != Keyword::kRun) continue;
    each_command(step, [&](const StepCommand& command, const std::string& below) {
      if (command.program == "ln" && !command.arguments.empty())
        takes_place(step, command.arguments.back().text, below);
      if (is_one_of(command.program, {"adduser", "useradd", "chown"})) owners_.push_back(&command);
    });
  }
}

bool CacheSteps::has_home(const Step& step) const {
  if (is_root(step.user)) return true;
  const auto& row = view_.stages.back().image.row;
  if (row != nullptr && row->user == step.user) return true;
  if (environment_of(*step.instruction).contains("HOME")) return true;
  return std::ranges::any_of(owners_, [&](const StepCommand* one) {
    const StepCommand& command = *one;
    // Its own step installs into it, whoever that makes.
    if (step.instruction->span.begin <= command.shell->span.begin &&
        command.shell->span.begin < step.instruction->span.end)
      return false;
    const bool named = command.has(step.user) || command.has(step.home);
    if (command.program == "adduser")
      return named && !command.has("--no-create-home") && !command.has("-H");
    if (command.program == "useradd")
      return named && std::ranges::any_of(command.arguments, [](const Argument& word) {
               return word.text == "--create-home" ||
                      (word.text.starts_with('-') && !word.text.starts_with("--") &&
                       holds(word.text, "m"));
             });
    return std::ranges::any_of(
        command.arguments, [&](const Argument& word) { return word.text.starts_with(step.home); });
  });
}

bool CacheSteps::is_replaced(const Instruction& run, std::string_view directory) const {
  return std::ranges::any_of(places_, [&](const auto& one) {
    return one.first <= run.span.begin &&
           (lies_in(directory, one.second) || lies_in(one.second, directory));
  });
}

bool CacheSteps::hides_nothing(const Step& step, std::string_view target) {
  const std::size_t cache = target.find("cache");
  if (cache == target.npos || !std::ranges::all_of(target, [](char c) {
        return is_alphanumeric(c) || std::string_view("/._-+@").contains(c);
      }))
    return false;
  const std::size_t begin = target.rfind('/', cache) + 1;
  const std::string_view name = target.substr(begin, target.find('/', cache) - begin);
  auto at = named_.find(name);
  if (at == named_.end()) at = named_.emplace(name, is_named(name)).first;
  bool touches = at->second;
  if (!touches)
    each_command(step, [&](const StepCommand& command, const std::string& directory) {
      if (is_installer(command) || is_one_of(command.program, {"cd", "pushd"})) return;
      for (const Argument& word : command.arguments) {
        const std::string path = path_of(step, word.text, directory);
        const std::string_view plain = std::string_view(path).substr(0, path.find_first_of("*?["));
        touches = touches || (plain.size() > 1 && target.starts_with(plain));
      }
    });
  return !touches;
}

void CacheSteps::takes_place(const Step& step, std::string_view word, const std::string& below) {
  const Instruction& one = *step.instruction;
  // A file beside the cache leaves it as it is.
  if (one.copies() &&
      std::ranges::none_of(one.words.begin(), one.words.end() - 1,
                           [](const Word& from) { return holds(from.text, "cache"); }))
    return;
  if (std::string path = path_of(step, word, below); path.contains("cache"))
    places_.emplace_back(one.span.begin, std::move(path));
}

bool CacheSteps::is_named(std::string_view name) const {
  return std::ranges::any_of(steps_.all(), [&](const Step& step) {
    const Instruction& one = *step.instruction;
    if (one.keyword == Keyword::kCopy || one.keyword == Keyword::kAdd ||
        one.keyword == Keyword::kWorkdir)
      return view_.text(one.span).contains(name);
    return one.keyword == Keyword::kRun &&
           std::ranges::any_of(commands_of(one), [&](const StepCommand& command) {
             return command.program != "cd" && !is_installer(command) &&
                    view_.text(command.shell->span).contains(name);
           });
  });
}

}  // namespace flense::lint
