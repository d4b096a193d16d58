#include "lint/installs/torch_in_stage.h"

#include <algorithm>

#include "base/format.h"
#include "lint/facts/purpose.h"
#include "lint/facts/table_facts.h"

namespace flense::lint {

Finding& TorchInStage::report(const TorchInstall& again, const TorchInstall* earlier,
                              std::string_view message, std::string evidence,
                              std::string_view outcome) const {
  // Without layers what pip replaces is gone.
  const bool shipped =
      stage.final && !view.is_definition() &&
      (earlier == nullptr || earlier->install->instruction != again.install->instruction);
  Finding& told = sink.add("torch-installed-twice", *again.file, again.torch.request->span,
                           fmt::format("{}: {}", message,
                                       !outcome.empty()     ? outcome
                                       : shipped            ? "both are downloaded and shipped"
                                       : earlier == nullptr ? "what the base holds goes unused"
                                                            : "both are downloaded"));
  told.evidence = {std::move(evidence)};
  if (earlier == nullptr)
    told.fix = "keep the base's torch, or begin with a base that has the other, or none";
  told.pedantic =
      !shipped || !again.sure ||
      (earlier != nullptr && (!earlier->sure || are_apart(*again.install, *earlier->install))) ||
      (earlier == nullptr && comment_says(view.file->source, again.install->instruction->span.begin,
                                          {"replace", "torch"}));
  return told;
}

bool TorchInStage::are_apart(const Install& one, const Install& other) const {
  return surroundings_of(view, one) != surroundings_of(view, other);
}

std::string TorchInStage::newest() const {
  const std::string& python = stage.image.python.value;
  const auto* row = python.empty() ? nullptr : newest_torch_for(*project.knowledge, python);
  return row == nullptr ? std::string() : row->to;
}

bool TorchInStage::is_held_before(const Install& install) const {
  return std::ranges::any_of(view.installs_in(stage.index), [&](const Install* one) {
    return one->command.span.begin < install.command.span.begin &&
           own_environment(*one) == environment &&
           std::ranges::any_of(
               lists_of(*one), [](const PackageList* list) { return holds_torch(*list); });
  });
}

std::string TorchInStage::line_of(Span span) const {
  return fmt::format("line {}", view.file->source.position(span.begin).line);
}

}  // namespace flense::lint
