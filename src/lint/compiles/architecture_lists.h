// Lists of architectures against the toolkit that compiles them and the GPUs of the given hosts.
#pragma once

#include <string>
#include <string_view>

#include "lint/facts/gpu_architectures.h"
#include "lint/facts/stage_view.h"
#include "lint/rules/rules.h"

namespace flense::lint {

/// The words of one place: a rule, what is judged and where.
struct Listed {
  std::string_view rule;
  const FileView* view;
  const StageView* stage;
  std::string name;
  Span span;
  bool exact;
  const Instruction* instruction;
  bool other_toolkit = false;  ///< another than the base's compiles, or may
};

/// Another toolkit than the base's compiles in a stage, or may.
bool brings_toolkit(const FileView& view, const StageView& stage);

/// Takes out of a misspelt list, before it is written anew, what the base's CUDA does not compile
/// for. False: nothing would be left, and the list stays.
bool drop_refused(const Listed& at, ArchitectureList& list);

/// Whether the base's CUDA knows and compiles for all of the list.
void judge_toolkit(const Listed& at, const ArchitectureList& list, FindingSink& sink);

/// Whether the list holds code for the GPUs of the given hosts. `cmake`: its plain numbers produce
/// PTX as well.
void judge_hosts(const Listed& at, const ArchitectureList& list, bool cmake, FindingSink& sink);

}  // namespace flense::lint
