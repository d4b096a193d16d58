// torch that a later step replaces, and what brings another torch: both are downloaded and shipped.
#include <algorithm>
#include <set>
#include <utility>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/installs/torch_in_stage.h"
#include "lint/packages/requirement_text.h"

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

class TorchTwice {
 public:
  explicit TorchTwice(const TorchInStage& at) : at_(at) {}

  void run() {
    const bool over_base = at_.stage.image.framework.value == "torch" && at_.environment.empty();
    if (!over_base) {
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
    const std::string& repository = at_.stage.image.repository;
    return !repository.contains('/') || repository == "nvidia/cuda" || !at_.environment.empty();
  }

  /// torchvision, which brings the torch of its release, before torch itself.
  void companion_first() {
    if (at_.found.torch.empty()) return;
    const TorchInstall& torch = at_.found.torch.front();
    if (torch.version().empty() && !torch.torch.from_index) return;
    for (const TorchInstall& one : at_.found.companions) {
      if (one.install == torch.install ||
          one.install->command.span.begin >= torch.install->command.span.begin ||
          one.by_conda() != torch.by_conda())
        continue;
      // Then it found that one.
      if (at_.is_held_before(*one.install)) return;
      const std::string own =
          torch_of(*at_.project.knowledge, one.torch.package, one.version()).torch;
      const bool same_index = one.torch.variant.value == torch.torch.variant.value;
      if (!own.empty() && own == without_local(torch.version()) && same_index) continue;
      at_.report(
             torch, &one,
             fmt::format("{} has brought a torch before, and this replaces it", one.torch.package),
             at_.line_of(one.torch.request->span))
          .fix = "install both in one command, from one index";
      return;
    }
  }

  /// accelerate, which brings PyPI's torch, before the torch of an index.
  void bringer_first() {
    if (at_.found.torch.empty() || at_.found.torch.front().by_conda()) return;
    const TorchInstall& torch = at_.found.torch.front();
    // torch may have come with its companion.
    if (!at_.found.companions.empty() && at_.found.companions.front().install->command.span.begin <
                                             torch.install->command.span.begin)
      return;
    if ((torch.version().empty() && !torch.torch.from_index) || !torch.torch.request->url.empty())
      return;
    for (const TorchInstall& one : at_.found.bringers) {
      if (one.install->command.span.begin >= torch.install->command.span.begin) continue;
      if (!torch.version().empty()) {
        if (major_minor(torch.version()) == at_.newest()) return;
        at_.report(torch, &one,
                   fmt::format("{} has brought PyPI's torch before, and this replaces it",
                               one.torch.package),
                   at_.line_of(one.torch.request->span));
        return;
      }
      if (torch.install->command.installs_anew() || torch.install->command.upgrades()) return;
      // torchvision of that index requires its own torch, where it is not the one that PyPI has.
      if (std::ranges::any_of(at_.found.companions, [&](const TorchInstall& companion) {
            return companion.install == torch.install && companion.torch.package == "torchvision";
          })) {
        const std::string& variant = torch.torch.variant.value;
        const bool ended = !last_torch_of(*at_.project.knowledge, variant, "").empty();
        if (ended)
          at_.report(torch, &one,
                     fmt::format("{} has brought PyPI's torch before, and this replaces it",
                                 one.torch.package),
                     at_.line_of(one.torch.request->span));
        const bool known =
            variant == "cpu" ||
            std::ranges::any_of(at_.project.knowledge->frameworks.builds, [&](const auto& build) {
              return build.package == "torch" && build.variant == variant;
            });
        if (ended || !known) return;
      }
      Finding& found = at_.sink.add(
          "torch-installed-twice", *torch.file, torch.torch.request->span,
          fmt::format("{} has brought PyPI's torch before, which pip leaves in place: the index of "
                      "{} is without effect",
                      one.torch.package, torch.torch.variant.value));
      found.evidence = {at_.line_of(one.torch.request->span)};
      found.fix = "install torch from its index first";
      found.pedantic = !torch.sure || !one.sure || at_.are_apart(*torch.install, *one.install);
      return;
    }
  }

  /// torchvision without a version behind a pinned torch: pip takes the newest, and its torch.
  void companion_later() {
    for (const TorchInstall& torch : at_.found.torch) {
      // Without a version it is the last that its index has; an old Python gets older ones of both.
      const std::string last =
          torch.version().empty() && torch.torch.from_index &&
                  compare_versions(at_.stage.image.python.value, "3.10") >= 0
              ? last_torch_of(*at_.project.knowledge, torch.torch.variant.value,
                              at_.stage.image.python.value)
              : std::string();
      if ((torch.version().empty() && last.empty()) || torch.by_conda()) continue;
      for (const TorchInstall& one : at_.found.companions) {
        if (one.install->command.span.begin <= torch.install->command.span.begin ||
            one.install == torch.install || one.by_conda() || !one.torch.request->url.empty())
          continue;
        // The torch of another list of the same step decides.
        if (std::ranges::any_of(at_.found.torch, [&](const TorchInstall& other) {
              return other.install == one.install;
            }))
          continue;
        // Installed before with that torch.
        if (std::ranges::any_of(at_.found.companions, [&](const TorchInstall& other) {
              return other.torch.package == one.torch.package &&
                     other.install->command.span.begin < one.install->command.span.begin;
            }))
          continue;
        const std::string own =
            torch_of(*at_.project.knowledge, one.torch.package, one.version()).torch;
        const bool open = one.version().empty() && !has_upper_bound(one.torch.request->specifier);
        // An old Python gets the torchvision of its last torch.
        if (open && last.empty() && major_minor(torch.version()) == at_.newest()) continue;
        // The newest torchaudio requires no torch (another rule), torchvision any from 2.14 on.
        if (open && (one.torch.package == "torchaudio"
                         ? last.empty()
                         : compare_versions(last.empty() ? torch.version() : last, "2.14") >= 0))
          continue;
        if (!last.empty() && (!open || one.torch.from_index)) continue;
        if (!open &&
            (one.version().empty() || own.empty() || own == without_local(torch.version())))
          continue;
        Finding& found = at_.report(
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
            at_.line_of(torch.torch.request->span));
        found.fix = "install it with torch in one command, from the same index";
        // Of a wheel by its address the index may have no companion that fits.
        if (open && !torch.torch.request->url.empty()) {
          const std::string fitting = companion_of(*at_.project.knowledge, one.torch.package,
                                                   without_local(torch.version()));
          found.fix = fitting.empty()
                          ? fmt::format("write the {} that was made for torch {}, by its number",
                                        one.torch.package, torch.version())
                          : fmt::format("write {}=={}", one.torch.package, fitting);
        }
        // What was asked for is gone, whether or not it lies in a layer.
        if (!last.empty())
          found.pedantic = !torch.sure || !one.sure || at_.are_apart(*torch.install, *one.install);
        return;
      }
    }
  }

  /// timm, which requires torchvision, behind a torch of an index that came without one.
  void torchvision_later() {
    if (std::ranges::any_of(at_.found.companions, [](const TorchInstall& one) {
          return one.torch.package == "torchvision";
        }))
      return;
    const auto torch = std::ranges::find_if(at_.found.torch, [](const TorchInstall& one) {
      return one.torch.from_index && !one.by_conda() && !one.install->command.indexes.empty();
    });
    if (torch == at_.found.torch.end() || is_nightly(*torch->install) ||
        is_for_arm(at_.view, at_.stage))
      return;
    for (const TorchInstall& one : at_.found.bringers) {
      if (!brings_torchvision(one.torch.package) ||
          one.install->command.span.begin <= torch->install->command.span.begin)
        continue;
      Finding& found = at_.sink.add(
          "torch-installed-twice", *one.file, one.torch.request->span,
          fmt::format(
              "{} requires torchvision, which then comes from PyPI, for PyPI's torch and not "
              "for that of {}: torch is replaced, or \"operator torchvision::nms does not "
              "exist\"",
              one.torch.package, torch->torch.variant.value));
      found.evidence = {at_.line_of(torch->torch.request->span),
                        "sam-dumont/immich-video-memory-generator#806"};
      found.fix = "install torchvision with torch, from the same index";
      found.pedantic = !torch->sure || !one.sure || at_.are_apart(*torch->install, *one.install);
      return;
    }
  }

  /// Without a version, of a CUDA for which PyTorch made no newer ones.
  static bool is_of_ended_index(const TorchInstall& one) {
    return one.version().empty() &&
           is_one_of(one.torch.variant.value, {"cu116", "cu117", "cu118", "cu121", "cu124"});
  }

  /// xformers without a version behind a pinned torch: the newest requires a newer one.
  void xformers_later() {
    constexpr std::string_view kLeast = "2.10";
    // An older Python gets an older one.
    if (const std::string& python = at_.stage.image.python.value;
        !python.empty() && compare_versions(python, "3.9") < 0)
      return;
    for (const Install* install : at_.view.installs_in(at_.stage.index)) {
      const PackageList& command = install->command;
      const PackageRequest* xformers = command.find("xformers");
      if (xformers == nullptr || own_environment(*install) != at_.environment ||
          xformers->manager == PackageManager::kConda || !xformers->specifier.empty() ||
          !xformers->url.empty() || !command.indexes.empty() || command.has_option("--no-deps") ||
          command.has_option("--no-build-isolation") || !command.installs)
        continue;
      const auto torch = std::ranges::find_if(at_.found.torch, [&](const TorchInstall& one) {
        return (is_version(without_local(one.version())) || is_of_ended_index(one)) &&
               !one.by_conda() && one.install->command.span.begin < command.span.begin;
      });
      if (torch == at_.found.torch.end() ||
          (!is_of_ended_index(*torch) && compare_versions(torch->version(), kLeast) >= 0))
        continue;
      Finding& found = at_.sink.add(
          "torch-installed-twice", *at_.view.file, xformers->span,
          fmt::format("xformers without a version is the newest, which requires torch {} or newer: "
                      "it replaces torch {}",
                      kLeast,
                      torch->version().empty() ? "of " + torch->torch.variant.value
                                               : std::string(torch->version())));
      found.evidence = {at_.line_of(torch->torch.request->span),
                        "package index: METADATA of xformers; predibase/lorax#438"};
      found.fix = torch->torch.from_index
                      ? "install it with torch in one command, from the same index"
                      : "name the xformers that is made for this torch, or install both in one "
                        "command";
      found.pedantic = is_of_ended_index(*torch) || !torch->sure ||
                       !surely_installs(at_.view, *install, command, *xformers) ||
                       at_.are_apart(*torch->install, *install);
      return;
    }
  }

  // conda's and pip's are two packages, whatever their versions: neither replaces the other.
  void conda_and_pip() {
    const auto conda = std::ranges::find_if(at_.found.torch, &TorchInstall::by_conda);
    const auto pip = std::ranges::find_if_not(
        at_.found.torch, [](const TorchInstall& one) { return one.by_conda(); });
    if (conda == at_.found.torch.end() || pip == at_.found.torch.end() ||
        conda->install == pip->install || (!conda->version().empty() && !pip->version().empty()))
      return;
    // pip sees conda's, which satisfies a bare name and most ranges.
    if (conda < pip && pip->version().empty() && !pip->torch.from_index &&
        !pip->install->command.installs_anew())
      return;
    const TorchInstall& later = conda < pip ? *pip : *conda;
    const TorchInstall& earlier = conda < pip ? *conda : *pip;
    Finding& found = at_.report(later, nullptr, "torch is installed by conda and by pip",
                                at_.line_of(earlier.install->command.span));
    found.pedantic = found.pedantic || !earlier.sure;
    found.fix = "install torch by one of the two";
  }

  void over_earlier() {
    const auto shown = [](const Framework& torch) {
      return torch.version + (torch.variant.known() ? " (" + torch.variant.value + ")" : "");
    };
    const TorchInstall* last = nullptr;
    for (const TorchInstall& again : at_.found.torch) {
      const bool forced = again.install->command.installs_anew();
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
      Finding& found = at_.report(
          again, earlier,
          known   ? fmt::format("torch {} is installed over torch {}", shown(now), shown(before))
          : other ? std::string("the nightly torch is installed over another one")
                  : std::string("torch is installed once more over that of an earlier command"),
          at_.line_of(before.request->span));
      // One wheel alone, put over what others brought: who writes that knows of the first.
      found.pedantic = found.pedantic || (forced && again.install->command.has_option("--no-deps"));
    }
  }

  const TorchInStage& at_;
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
      for (const std::string& one : environments) {
        const TorchInStage at{project, view, stage,
                              one,     sink, torch_installs(project, view, stage, one)};
        if (stage.image.framework.value == "torch") judge_torch_over_base(at);
        TorchTwice(at).run();
      }
    }
}

}  // namespace flense::lint
