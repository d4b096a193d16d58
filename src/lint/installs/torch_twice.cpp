// torch that a later step replaces, and what brings another torch: both are downloaded and shipped.
#include <algorithm>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/torch_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Of two commands of one step, one runs in place of the other: branches of an `if`, or what `||`
/// leads to.
bool are_alternatives(const Install& one, const Install& other) {
  if (one.instruction != other.instruction) return false;
  const ShellCommand* a = command_at(*one.instruction, one.command.span);
  const ShellCommand* b = command_at(*other.instruction, other.command.span);
  return a != nullptr && b != nullptr &&
         ((a->depth > 0 && b->depth > 0) || a->joined_by == "||" || b->joined_by == "||");
}

/// What goes into one environment of a stage.
class TorchTwice {
 public:
  TorchTwice(const Project& project, const FileView& view, const StageView& stage,
             const std::string& environment, FindingSink& sink)
      : project_(project), view_(view), stage_(stage), environment_(environment), sink_(sink) {
    TorchInstalls found = torch_installs(project, view, stage, environment);
    all_ = std::move(found.torch);
    companions_ = std::move(found.companions);
    bringers_ = std::move(found.bringers);
  }

  void run() {
    // An environment of its own begins empty.
    if (stage_.image.framework.value == "torch" && environment_.empty()) {
      if (!project_beside_base()) over_base();
    } else {
      if (stage_.image.framework.value == "torch") beside_base();
      companion_first();
      companion_later();
      xformers_later();
      if (begins_without_torch()) {
        bringer_first();
        torchvision_later();
      }
    }
    conda_and_pip();
    over_earlier();
  }

 private:
  /// Of other bases nobody knows what they hold.
  bool begins_without_torch() const {
    const std::string& repository = stage_.image.repository;
    return !repository.contains('/') || repository == "nvidia/cuda" || !environment_.empty();
  }

  /// `earlier`: the install that this replaces; null: the base's. Layers of a stage that others
  /// only copy from, and files that one step makes and replaces, are in no image.
  Finding& report(const TorchInstall& again, const TorchInstall* earlier, std::string_view message,
                  std::string evidence, std::string_view outcome = {}) {
    const bool shipped = stage_.final && (earlier == nullptr || earlier->install->instruction !=
                                                                    again.install->instruction);
    Finding& found = sink_.add("torch-installed-twice", *again.file, again.torch.request->span,
                               fmt::format("{}: {}", message,
                                           !outcome.empty()     ? outcome
                                           : shipped            ? "both are downloaded and shipped"
                                           : earlier == nullptr ? "what the base holds goes unused"
                                                                : "both are downloaded"));
    found.evidence = {std::move(evidence)};
    if (earlier == nullptr)
      found.fix = "keep the base's torch, or begin with a base that has the other, or none";
    found.pedantic =
        !shipped || !again.sure ||
        (earlier != nullptr && (!earlier->sure || are_apart(*again.install, *earlier->install))) ||
        (earlier == nullptr &&
         comment_says(view_.file->source, again.install->instruction->span.begin,
                      {"replace", "torch"}));
    return found;
  }

  /// Whether the two go into environments that may not be one.
  bool are_apart(const Install& one, const Install& other) const {
    return surroundings_of(view_, one) != surroundings_of(view_, other);
  }

  /// The newest torch that the base's Python gets, as "2.4"; empty: not known.
  std::string newest() const {
    const std::string& python = stage_.image.python.value;
    const auto* row = python.empty() ? nullptr : newest_torch_for(*project_.knowledge, python);
    return row == nullptr ? std::string() : row->to;
  }

  std::string line_of(Span span) const {
    return fmt::format("line {}", view_.file->source.position(span.begin).line);
  }

  /// torchvision of another torch, or put anew with what it requires.
  void companion_over_base() {
    const std::string& has = stage_.image.framework_version.value;
    for (const TorchInstall& one : companions_) {
      if (one.by_conda() || !one.torch.request->url.empty() || one.torch.from_index) continue;
      // The base's version satisfies a bare name, and most ranges.
      const std::string own =
          one.version().empty()
              ? ""
              : torch_of(*project_.knowledge, one.torch.package, one.version()).torch;
      const bool other = !own.empty() && !has.empty() && compare_versions(own, has) != 0;
      if (!other && !(is_forced(*one.install) && one.torch.package == "torchvision")) continue;
      report(one, nullptr,
             other ? fmt::format("{} {} brings torch {} over the base's {}", one.torch.package,
                                 one.version(), own, has)
                   : fmt::format("{} is put anew with the torch that it requires, over the base's",
                                 one.torch.package),
             stage_.image.framework.evidence);
      return;
    }
  }

  void over_base() {
    if (all_.empty()) return companion_over_base();
    const auto first = std::ranges::find_if(
        all_, [](const TorchInstall& one) { return conda_environment(*one.install).empty(); });
    if (first == all_.end()) return;
    const TorchInstall& again = *first;
    const std::string& has = stage_.image.framework_version.value;
    const bool other = again.version().empty()
                           ? !meets(has, again.torch.request->specifier)
                           : has.empty() || compare_versions(has, again.version()) != 0;
    if (!other && !is_forced(*again.install) && !is_nightly(*again.install)) return;
    // NGC's of 25.03 and later hold pip to theirs.
    const bool constrained =
        !stage_.image.release.empty() && compare_versions(stage_.image.release, "25.03") >= 0;
    Finding& found = report(again, nullptr,
                            fmt::format("the base already holds torch{}{}, and this replaces it",
                                        has.empty() ? "" : " ", has),
                            stage_.image.framework.evidence,
                            constrained ? "both are shipped, or the base's constraints for pip end "
                                          "the step"
                                        : "");
    // A base that does not say its version may have this one; NGC's are numbered otherwise.
    found.pedantic =
        found.pedantic || uninstalls(view_, stage_.index, "torch") ||
        (has.empty() && again.torch.request->url.empty() && !is_nightly(*again.install) &&
         stage_.image.release.empty() && stage_.image.repository != "pytorch/pytorch");
  }

  /// In an environment of its own, where nothing else goes into the base's.
  void beside_base() {
    if (all_.empty() || commands_mention(view_, stage_.index, "system-site-packages")) return;
    for (const Install* install : view_.installs_in(stage_.index))
      if (!is_of_system(install->command.manager) && own_environment(*install).empty() &&
          conda_environment(*install).empty() &&
          (!install->command.requirement_files.empty() ||
           std::ranges::any_of(install->command.packages, [](const PackageRequest& request) {
             return !is_one_of(request.name, {"pip", "setuptools", "wheel", "uv", "virtualenv",
                                              "conda", "mamba", "packaging"});
           })))
        return;
    const std::string& has = stage_.image.framework_version.value;
    report(all_.front(), nullptr,
           fmt::format("the base already holds torch{}{}, which this environment does not see",
                       has.empty() ? "" : " ", has),
           stage_.image.framework.evidence)
        .fix = "begin with a base without torch, or install into the base's environment";
  }

  /// poetry.toml, which may say that no environment is made.
  bool has_poetry_settings() const {
    const Context* context = project_.context_of(*view_.file);
    return commands_mention(view_, stage_.index, "poetry.toml") ||
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
      if (commands_mention(view_, stage_.index, word)) return false;
    for (const Install* install : view_.installs_in(stage_.index)) {
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
        const std::string& has = stage_.image.framework_version.value;
        Finding& found = sink_.add(
            "torch-installed-twice", *view_.file, command.span,
            fmt::format("the base already holds torch{}{}, which the environment of {} {} does not "
                        "see: both are downloaded and shipped",
                        has.empty() ? "" : " ", has, command.program, command.verb));
        found.evidence = {stage_.image.framework.evidence,
                          fmt::format("{} asks for torch", list->path)};
        found.fix =
            "begin with a base without torch (python or nvidia/cuda), for the lock brings it";
        found.pedantic = !stage_.final || !surely_runs(*install);
        return true;
      }
    }
    return false;
  }

  /// torchvision, which brings the torch of its release, before torch itself.
  void companion_first() {
    if (all_.empty()) return;
    const TorchInstall& torch = all_.front();
    if (torch.version().empty() && !torch.torch.from_index) return;
    for (const TorchInstall& one : companions_) {
      if (one.install == torch.install ||
          one.install->command.span.begin >= torch.install->command.span.begin ||
          one.by_conda() != torch.by_conda())
        continue;
      const std::string own = torch_of(*project_.knowledge, one.torch.package, one.version()).torch;
      const bool same_index = one.torch.variant.value == torch.torch.variant.value;
      if (!own.empty() && own == without_local(torch.version()) && same_index) continue;
      report(torch, &one,
             fmt::format("{} has brought a torch before, and this replaces it", one.torch.package),
             line_of(one.torch.request->span))
          .fix = "install both in one command, from one index";
      return;
    }
  }

  /// accelerate, which brings PyPI's torch, before the torch of an index.
  void bringer_first() {
    if (all_.empty() || all_.front().by_conda()) return;
    const TorchInstall& torch = all_.front();
    // torch may have come with its companion.
    if (!companions_.empty() &&
        companions_.front().install->command.span.begin < torch.install->command.span.begin)
      return;
    if ((torch.version().empty() && !torch.torch.from_index) || !torch.torch.request->url.empty())
      return;
    for (const TorchInstall& one : bringers_) {
      if (one.install->command.span.begin >= torch.install->command.span.begin) continue;
      if (!torch.version().empty()) {
        if (major_minor(torch.version()) == newest()) return;
        report(torch, &one,
               fmt::format("{} has brought PyPI's torch before, and this replaces it",
                           one.torch.package),
               line_of(one.torch.request->span));
        return;
      }
      if (is_forced(*torch.install) || torch.install->command.has_option("--upgrade") ||
          torch.install->command.has_option("-U"))
        return;
      // torchvision of that index requires its own torch, where it is not the one that PyPI has.
      if (std::ranges::any_of(companions_, [&](const TorchInstall& companion) {
            return companion.install == torch.install && companion.torch.package == "torchvision";
          })) {
        const std::string& variant = torch.torch.variant.value;
        const bool ended = !last_torch_of(*project_.knowledge, variant, "").empty();
        if (ended)
          report(torch, &one,
                 fmt::format("{} has brought PyPI's torch before, and this replaces it",
                             one.torch.package),
                 line_of(one.torch.request->span));
        const bool known =
            variant == "cpu" ||
            std::ranges::any_of(project_.knowledge->frameworks.builds, [&](const auto& build) {
              return build.package == "torch" && build.variant == variant;
            });
        if (ended || !known) return;
      }
      Finding& found = sink_.add(
          "torch-installed-twice", *torch.file, torch.torch.request->span,
          fmt::format("{} has brought PyPI's torch before, which pip leaves in place: the index of "
                      "{} is without effect",
                      one.torch.package, torch.torch.variant.value));
      found.evidence = {line_of(one.torch.request->span)};
      found.fix = "install torch from its index first";
      found.pedantic = !torch.sure || !one.sure || are_apart(*torch.install, *one.install);
      return;
    }
  }

  /// torchvision without a version behind a pinned torch: pip takes the newest, and its torch.
  void companion_later() {
    for (const TorchInstall& torch : all_) {
      // Without a version it is the last that its index has; an old Python gets older ones of both.
      const std::string last = torch.version().empty() && torch.torch.from_index &&
                                       compare_versions(stage_.image.python.value, "3.10") >= 0
                                   ? last_torch_of(*project_.knowledge, torch.torch.variant.value,
                                                   stage_.image.python.value)
                                   : std::string();
      if ((torch.version().empty() && last.empty()) || torch.by_conda()) continue;
      for (const TorchInstall& one : companions_) {
        if (one.install->command.span.begin <= torch.install->command.span.begin ||
            one.install == torch.install || one.by_conda() || !one.torch.request->url.empty())
          continue;
        // The torch of another list of the same step decides.
        if (std::ranges::any_of(
                all_, [&](const TorchInstall& other) { return other.install == one.install; }))
          continue;
        // Installed before with that torch.
        if (std::ranges::any_of(companions_, [&](const TorchInstall& other) {
              return other.torch.package == one.torch.package &&
                     other.install->command.span.begin < one.install->command.span.begin;
            }))
          continue;
        const std::string own =
            torch_of(*project_.knowledge, one.torch.package, one.version()).torch;
        const bool open = one.version().empty() && one.torch.request->specifier.empty();
        // An old Python gets the torchvision of its last torch.
        if (open && last.empty() && major_minor(torch.version()) == newest()) continue;
        // The newest torchaudio requires no torch (another rule), torchvision any from 2.14 on.
        if (open && (one.torch.package == "torchaudio"
                         ? last.empty()
                         : compare_versions(last.empty() ? torch.version() : last, "2.14") >= 0))
          continue;
        if (!last.empty() && (!open || one.torch.from_index)) continue;
        if (!open && (own.empty() || own == without_local(torch.version()))) continue;
        Finding& found = report(
            one, &torch,
            !last.empty()
                ? fmt::format("{} comes from PyPI and not from the index of {}, whose last "
                              "torch is {}: it is the newest, and brings its own torch",
                              one.torch.package, torch.torch.variant.value, last)
            : open ? fmt::format("{} without a version is the newest, and brings its own torch "
                                 "over torch {}",
                                 one.torch.package, torch.version())
                   : fmt::format("{} {} brings torch {} over torch {}", one.torch.package,
                                 one.version(), own, torch.version()),
            line_of(torch.torch.request->span));
        found.fix = "install it with torch in one command, from the same index";
        // What was asked for is gone, whether or not it lies in a layer.
        if (!last.empty())
          found.pedantic = !torch.sure || !one.sure || are_apart(*torch.install, *one.install);
        return;
      }
    }
  }

  /// timm, which requires torchvision, behind a torch of an index that came without one.
  void torchvision_later() {
    if (std::ranges::any_of(companions_, [](const TorchInstall& one) {
          return one.torch.package == "torchvision";
        }))
      return;
    const auto torch = std::ranges::find_if(all_, [](const TorchInstall& one) {
      return one.torch.from_index && !one.by_conda() && !one.install->command.indexes.empty();
    });
    if (torch == all_.end() || is_nightly(*torch->install) || is_for_arm(view_, stage_)) return;
    for (const TorchInstall& one : bringers_) {
      if (!brings_torchvision(one.torch.package) ||
          one.install->command.span.begin <= torch->install->command.span.begin)
        continue;
      Finding& found = sink_.add(
          "torch-installed-twice", *one.file, one.torch.request->span,
          fmt::format(
              "{} requires torchvision, which then comes from PyPI, for PyPI's torch and not "
              "for that of {}: torch is replaced, or \"operator torchvision::nms does not "
              "exist\"",
              one.torch.package, torch->torch.variant.value));
      found.evidence = {line_of(torch->torch.request->span),
                        "sam-dumont/immich-video-memory-generator#806"};
      found.fix = "install torchvision with torch, from the same index";
      found.pedantic = !torch->sure || !one.sure || are_apart(*torch->install, *one.install);
      return;
    }
  }

  /// xformers without a version behind a pinned torch: the newest requires a newer one.
  void xformers_later() {
    constexpr std::string_view kLeast = "2.10";
    // An older Python gets an older one.
    if (const std::string& python = stage_.image.python.value;
        !python.empty() && compare_versions(python, "3.9") < 0)
      return;
    for (const Install* install : view_.installs_in(stage_.index)) {
      const PackageList& command = install->command;
      const PackageRequest* xformers = command.find("xformers");
      if (xformers == nullptr || own_environment(*install) != environment_ ||
          xformers->manager == PackageManager::kConda || !xformers->specifier.empty() ||
          !xformers->url.empty() || !command.indexes.empty() || command.has_option("--no-deps") ||
          command.has_option("--no-build-isolation") || !command.installs)
        continue;
      const auto torch = std::ranges::find_if(all_, [&](const TorchInstall& one) {
        return is_version(without_local(one.version())) && !one.by_conda() &&
               one.install->command.span.begin < command.span.begin;
      });
      if (torch == all_.end() || compare_versions(torch->version(), kLeast) >= 0) continue;
      Finding& found = sink_.add(
          "torch-installed-twice", *view_.file, xformers->span,
          fmt::format("xformers without a version is the newest, which requires torch {} or newer: "
                      "it replaces torch {}",
                      kLeast, torch->version()));
      found.evidence = {line_of(torch->torch.request->span),
                        "package index: METADATA of xformers; predibase/lorax#438"};
      found.fix = torch->torch.from_index
                      ? "install it with torch in one command, from the same index"
                      : "name the xformers that is made for this torch, or install both in one "
                        "command";
      found.pedantic = !torch->sure || !surely_installs(view_, *install, command, *xformers) ||
                       are_apart(*torch->install, *install);
      return;
    }
  }

  // conda's and pip's are two packages, whatever their versions: neither replaces the other.
  void conda_and_pip() {
    const auto conda = std::ranges::find_if(all_, &TorchInstall::by_conda);
    const auto pip =
        std::ranges::find_if_not(all_, [](const TorchInstall& one) { return one.by_conda(); });
    if (conda == all_.end() || pip == all_.end() || conda->install == pip->install ||
        (!conda->version().empty() && !pip->version().empty()))
      return;
    // pip sees conda's, which satisfies a bare name and most ranges.
    if (conda < pip && pip->version().empty() && !pip->torch.from_index &&
        !is_forced(*pip->install))
      return;
    const TorchInstall& later = conda < pip ? *pip : *conda;
    const TorchInstall& earlier = conda < pip ? *conda : *pip;
    Finding& found = report(later, nullptr, "torch is installed by conda and by pip",
                            line_of(earlier.install->command.span));
    found.pedantic = found.pedantic || !earlier.sure;
    found.fix = "install torch by one of the two";
  }

  void over_earlier() {
    const auto shown = [](const Framework& torch) {
      return torch.version + (torch.variant.known() ? " (" + torch.variant.value + ")" : "");
    };
    const TorchInstall* last = nullptr;
    for (const TorchInstall& again : all_) {
      const bool forced = is_forced(*again.install);
      const bool nightly = is_nightly(*again.install);
      if (again.version().empty() && !forced && !nightly) {
        if (last == nullptr) last = &again;
        continue;
      }
      const TorchInstall* earlier = std::exchange(last, &again);
      if (earlier == nullptr || earlier->install == again.install ||
          earlier->torch.request == again.torch.request ||
          are_alternatives(*earlier->install, *again.install))
        continue;
      const Framework& before = earlier->torch;
      const Framework& now = again.torch;
      // What stands without a version may be the same.
      const bool known = !before.version.empty() && !now.version.empty();
      const bool version = known && compare_versions(before.version, now.version) != 0;
      // PEP 440: an installed 2.0.1+cpu meets ==2.0.1, whatever the index.
      const bool exact = !knowledge::local_version(now.version).empty();
      const bool variant = known && exact && before.variant.known() && now.variant.known() &&
                           before.variant.value != now.variant.value;
      // That one is conda's is said already.
      const bool other =
          nightly && !is_nightly(*earlier->install) && earlier->by_conda() == again.by_conda();
      if (!version && !variant && !forced && !other) continue;
      Finding& found = report(
          again, earlier,
          known   ? fmt::format("torch {} is installed over torch {}", shown(now), shown(before))
          : other ? std::string("the nightly torch is installed over another one")
                  : std::string("torch is installed once more over that of an earlier command"),
          line_of(before.request->span));
      // One wheel alone, put over what others brought: who writes that knows of the first.
      found.pedantic = found.pedantic || (forced && again.install->command.has_option("--no-deps"));
    }
  }

  const Project& project_;
  const FileView& view_;
  const StageView& stage_;
  const std::string& environment_;
  FindingSink& sink_;
  std::vector<TorchInstall> all_, companions_, bringers_;
};

}  // namespace

void judge_torch_twice(const Project& project, const std::vector<FileView>& views,
                       FindingSink& sink) {
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      if (!stage.reachable || is_for_other_device(stage.image.repository)) continue;
      std::set<std::string> environments;
      for (const Install* install : view.installs_in(stage.index))
        environments.insert(own_environment(*install));
      for (const std::string& one : environments) TorchTwice(project, view, stage, one, sink).run();
    }
}

}  // namespace flense::lint
