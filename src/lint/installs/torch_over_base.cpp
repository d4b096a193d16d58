// torch over that of the base, or beside it in an environment that does not see it.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/installs/torch_in_stage.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

class TorchOverBase {
 public:
  explicit TorchOverBase(const TorchInStage& at) : at_(at) {}

  void run() {
    // An environment of its own begins empty.
    if (!at_.environment.empty())
      beside_base();
    else if (!project_beside_base() && !venv_beside_base())
      over_base();
  }

 private:
  /// torchvision of another torch, or put anew with what it requires.
  void companion_over_base() {
    const std::string& has = at_.stage.image.framework_version.value;
    for (const TorchInstall& one : at_.found.companions) {
      if (one.by_conda() || !one.torch.request->url.empty() || one.torch.from_index) continue;
      // The base's version satisfies a bare name, and most ranges.
      const std::string own =
          one.version().empty()
              ? ""
              : torch_of(*at_.project.knowledge, one.torch.package, one.version()).torch;
      const bool other = !own.empty() && !has.empty() && compare_versions(own, has) != 0;
      if (!other && !(one.install->command.installs_anew() && one.torch.package == "torchvision"))
        continue;
      at_.report(
          one, nullptr,
          other ? fmt::format("{} {} brings torch {} over the base's {}", one.torch.package,
                              one.version(), own, has)
                : fmt::format("{} is put anew with the torch that it requires, over the base's",
                              one.torch.package),
          at_.stage.image.framework.evidence);
      return;
    }
  }

  void over_base() {
    if (at_.found.torch.empty()) return companion_over_base();
    const auto first = std::ranges::find_if(at_.found.torch, [](const TorchInstall& one) {
      return conda_environment(*one.install).empty();
    });
    // Into environments of conda's, which begin empty too.
    if (first == at_.found.torch.end()) return beside_base();
    const TorchInstall& again = *first;
    // That has replaced the base's, and is not to go.
    if (at_.is_held_before(*again.install)) return;
    const std::string& has = at_.stage.image.framework_version.value;
    const bool other = again.version().empty()
                           ? !meets(has, again.torch.request->specifier)
                           : has.empty() || compare_versions(has, again.version()) != 0;
    if (!other && !again.install->command.installs_anew() && !is_nightly(*again.install)) return;
    // NGC's of 25.03 and later hold pip to theirs.
    const bool constrained =
        !at_.stage.image.release.empty() && compare_versions(at_.stage.image.release, "25.03") >= 0;
    Finding& found =
        at_.report(again, nullptr,
                   fmt::format("the base already holds torch{}{}, and this replaces it",
                               has.empty() ? "" : " ", has),
                   at_.stage.image.framework.evidence,
                   constrained && !at_.view.is_definition()
                       ? "both are shipped, or the base's constraints for pip end "
                         "the step"
                       : "");
    // A base that does not say its version may have this one; NGC's are numbered otherwise.
    found.pedantic =
        found.pedantic || uninstalls(at_.view, at_.stage.index, "torch") ||
        (has.empty() && again.torch.request->url.empty() && !is_nightly(*again.install) &&
         at_.stage.image.release.empty() && at_.stage.image.repository != "pytorch/pytorch");
  }

  /// In an environment of its own, where nothing else goes into the base's.
  void beside_base() {
    if (at_.found.torch.empty() ||
        commands_mention(at_.view, at_.stage.index, "system-site-packages") ||
        commands_mention(at_.view, at_.stage.index, "--clone"))
      return;
    for (const Install* install : at_.view.installs_in(at_.stage.index))
      if (!is_of_system(install->command.manager) && own_environment(*install).empty() &&
          conda_environment(*install).empty() &&
          (!install->command.requirement_files.empty() ||
           std::ranges::any_of(install->command.packages, [](const PackageRequest& request) {
             return !is_one_of(request.name, {"pip", "setuptools", "wheel", "uv", "virtualenv",
                                              "conda", "conda-build", "mamba", "packaging"});
           })))
        return;
    const std::string& has = at_.stage.image.framework_version.value;
    at_.report(at_.found.torch.front(), nullptr,
               fmt::format("the base already holds torch{}{}, which this environment does not see",
                           has.empty() ? "" : " ", has),
               at_.stage.image.framework.evidence)
        .fix = "begin with a base without torch, or install into the base's environment";
  }

  /// The folders of environments that the stage makes, which do not see the base's packages.
  std::vector<std::string> bare_venvs() const {
    std::vector<std::string> out;
    for (const std::size_t one : at_.view.dockerfile->lineage(at_.stage.index))
      for (const Instruction& step : at_.view.dockerfile->stages[one].instructions)
        for (const StepCommand& command : commands_of(step)) {
          const bool makes = command.program == "virtualenv" ||
                             ((command.program.starts_with("python") || command.program == "uv") &&
                              command.has("venv"));
          for (const Argument& word : command.arguments)
            if (makes && word.text.starts_with('/')) out.push_back(word.text);
        }
    return out;
  }

  /// PATH begins with the folder where a command runs.
  bool is_first_on_path(const std::string& folder, const Install& install) const {
    for (const std::size_t one : at_.view.dockerfile->lineage(at_.stage.index))
      for (const Instruction& step : at_.view.dockerfile->stages[one].instructions)
        for (const KeyValue& pair : step.pairs) {
          if (step.keyword != Keyword::kEnv || pair.key.text != "PATH" || !pair.value ||
              step.span.begin > install.command.span.begin)
            continue;
          const std::string_view path = pair.value->text;
          if (with_values(path.substr(0, path.find(':')), environment_of(step)) == folder)
            return true;
        }
    return false;
  }

  /// torch, or what brings it, into an environment that PATH puts in front of the base's. True:
  /// something is said.
  bool venv_beside_base() {
    if (commands_mention(at_.view, at_.stage.index, "system-site-packages")) return false;
    const std::vector<std::string> venvs = bare_venvs();
    if (venvs.empty()) return false;
    const auto lies_in_one = [&](const Install& install) {
      const std::string where = surroundings_of(at_.view, install);
      return std::ranges::any_of(venvs, [&](const std::string& venv) {
        const std::string folder = path_below(venv, "bin");
        return where == folder || is_first_on_path(folder, install);
      });
    };
    for (const auto* installs : {&at_.found.torch, &at_.found.companions, &at_.found.bringers})
      for (const TorchInstall& one : *installs) {
        if (one.by_conda() || !lies_in_one(*one.install)) continue;
        const std::string& has = at_.stage.image.framework_version.value;
        const bool torch = installs == &at_.found.torch;
        Finding& found = at_.report(
            one, nullptr,
            fmt::format("the base already holds torch{}{}, which the environment in front of it "
                        "does not see{}",
                        has.empty() ? "" : " ", has,
                        torch ? "" : fmt::format(", and {} brings another", one.torch.package)),
            at_.stage.image.framework.evidence);
        found.fix =
            "make it with --system-site-packages, or begin with a base without torch (python)";
        found.pedantic = true;
        return true;
      }
    return false;
  }

  /// poetry.toml, which may say that no environment is made.
  bool has_poetry_settings() const {
    const Context* context = at_.project.context_of(*at_.view.file);
    return commands_mention(at_.view, at_.stage.index, "poetry.toml") ||
           (context != nullptr && std::ranges::any_of(context->files, [](const ContextFile& file) {
              return file_name(file.path) == "poetry.toml";
            }));
  }

  /// `--without main` of poetry.
  static bool leaves_out(const PackageList& command, std::string_view group) {
    return std::ranges::any_of(command.options, [&](const std::string& option) {
      return option.starts_with("--without=") && option.contains(group);
    });
  }

  /// `uv remove torch` in front of it.
  static bool is_edited(const Install& install) {
    return std::ranges::any_of(commands_of(*install.instruction), [](const StepCommand& command) {
      return is_one_of(command.program, {"uv", "poetry"}) && command.has("remove");
    });
  }

  /// uv sync and poetry install make an environment for the project, which begins empty. True:
  /// something is said.
  bool project_beside_base() {
    if (has_poetry_settings()) return false;
    for (const std::string_view word : {"system-site-packages", "virtualenvs.create"})
      if (commands_mention(at_.view, at_.stage.index, word)) return false;
    for (const Install* install : at_.view.installs_in(at_.stage.index)) {
      const PackageList& command = install->command;
      const bool uv = command.program == "uv" && command.verb == "sync";
      const bool poetry = command.program == "poetry" && command.verb == "install";
      if ((!uv && !poetry) || command.has_option("--active") || command.has_option("--system") ||
          command.has_option("--no-install-package") || command.has_option("--dry-run") ||
          leaves_out(command, "main") || is_edited(*install))
        continue;
      const ShellCommand* shell = command_at(*install->instruction, command.span);
      // They may name the base's environment.
      if (std::ranges::any_of(
              std::initializer_list<std::string_view>{"UV_PROJECT_ENVIRONMENT", "UV_SYSTEM_PYTHON",
                                                      "POETRY_VIRTUALENVS_CREATE",
                                                      "POETRY_VIRTUALENVS_OPTIONS_SYSTEM_SITE_"
                                                      "PACKAGES"},
              [&](std::string_view name) {
                return variable_at(*install->instruction, shell, name).set;
              }))
        continue;
      for (const PackageList* list : lists_of(*install)) {
        const PackageRequest* torch = list->find("torch");
        // A wheel at a path or an alpha of NVIDIA's is the base's own.
        if (torch == nullptr || !torch->group.empty() || !torch->url.empty() ||
            torch->version.contains("a0+"))
          continue;
        const std::string& has = at_.stage.image.framework_version.value;
        Finding& found = at_.sink.add(
            "torch-installed-twice", *at_.view.file, command.span,
            fmt::format("the base already holds torch{}{}, which the environment of {} {} does not "
                        "see: both are downloaded and shipped",
                        has.empty() ? "" : " ", has, command.program, command.verb));
        found.evidence = {at_.stage.image.framework.evidence,
                          fmt::format("{} asks for torch", list->path)};
        found.fix =
            "begin with a base without torch (python or nvidia/cuda), for the lock brings it";
        found.pedantic = !at_.stage.final || !surely_runs(*install);
        return true;
      }
    }
    return false;
  }

  const TorchInStage& at_;
};

}  // namespace

void judge_torch_over_base(const TorchInStage& at) {
  TorchOverBase(at).run();
}

}  // namespace flense::lint
