// torch in one environment of a stage, as the rule torch-installed-twice sees it.
#pragma once

#include <string>
#include <string_view>

#include "lint/facts/torch_installs.h"
#include "lint/rules/rules.h"

namespace flense::lint {

/// One environment of a stage, what goes into it, and what is told of it.
struct TorchInStage {
  const Project& project;
  const FileView& view;
  const StageView& stage;
  const std::string& environment;
  FindingSink& sink;
  TorchInstalls found;

  /// `earlier`: the install that this replaces; null: the base's. Layers of a stage that others
  /// only copy from, and files that one step makes and replaces, are in no image.
  Finding& report(const TorchInstall& again, const TorchInstall* earlier, std::string_view message,
                  std::string evidence, std::string_view outcome = {}) const;

  /// Whether the two go into environments that may not be one.
  bool are_apart(const Install& one, const Install& other) const;

  /// The newest torch that the base's Python gets, as "2.4"; empty: not known.
  std::string newest() const;

  std::string line_of(Span span) const;

  /// Whether what is installed before brings one torch alone, as vllm and sglang do.
  bool is_held_before(const Install& install) const;
};

/// What replaces the torch of the stage's base, or does not see it.
void judge_torch_over_base(const TorchInStage& at);

}  // namespace flense::lint
