// Keys of package sources that apt-key adds.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/sure_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// debian:sid and its like: newer than every release.
bool is_rolling(std::string_view repository, std::string_view base) {
  const std::string_view tag = base.substr(std::min(base.rfind(':'), base.size()));
  return repository == "debian" &&
         starts_with_any(tag, {":sid", ":unstable", ":testing", ":forky"});
}

void apt_key(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages)
    for (const Instruction& instruction : stage.stage->instructions)
      for (const StepCommand& command : commands_of(instruction)) {
        if (command.program != "apt-key" || (!command.has("add") && !command.has("adv"))) continue;
        const std::string& distribution = stage.image.distribution.value;
        // With a file of its own, which signed-by= can name, only the command is old.
        const bool own_file = command.has("--keyring");
        // The pool of these servers was switched off in 2021.
        const bool dead = std::ranges::any_of(command.arguments, [](const Argument& word) {
          return word.text.contains("sks-keyservers.net");
        });
        const bool gone = is_one_of(distribution, {"debian13", "ubuntu24.10", "ubuntu25.04",
                                                   "ubuntu25.10", "ubuntu26.04"}) ||
                          is_rolling(stage.image.repository, stage.stage->base_resolved);
        Finding& found = sink.add(
            "apt-key", *view.file, command.program_span,
            dead       ? std::string("the key servers of sks-keyservers.net are gone since 2021: "
                                           "this step fails")
            : gone     ? fmt::format("{} no longer has apt-key",
                                 distribution.empty() ? "the base" : distribution)
            : own_file ? std::string("newer distributions have no apt-key")
                       : std::string("a key that apt-key adds is trusted for every repository, and "
                                     "newer distributions have no apt-key"));
        // Where the base still has it, the build works.
        // Behind a condition, or with another way beside it, it may not be what decides.
        found.pedantic = (!gone && !dead) || command.shell->depth > 0 ||
                         may_fail(instruction, command.shell->span);
        found.evidence = {"apt-key(8): deprecated since apt 2.1.8, removed in apt 2.9.19"};
        const bool nvidia =
            std::ranges::any_of(instruction.commands, [&](const ShellCommand& other) {
              return std::ranges::any_of(other.words, [](const ShellWord& word) {
                return holds(word.text, "/compute/cuda/repos");
              });
            });
        found.fix = nvidia ? "install cuda-keyring in place of the key and its source line"
                           : "write the key to /etc/apt/keyrings/NAME.gpg (gpg --dearmor) and "
                             "[signed-by=/etc/apt/keyrings/NAME.gpg] into the source line";
      }
}

}  // namespace

void judge_apt_key(const Project& /*project*/, const std::vector<FileView>& views,
                   FindingSink& sink) {
  for (const FileView& view : views) apt_key(view, sink);
}

}  // namespace flense::lint
