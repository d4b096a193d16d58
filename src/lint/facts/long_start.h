// Whether minutes pass before the program of an image answers.
#pragma once

#include <string>

#include "lint/facts/build_steps.h"

namespace flense::lint {

/// GPU packages or a GPU base: it may load a model, now or later. `why` says by which.
bool may_load_models(const FileView& view, std::string& why);

/// What shows that a model is loaded before the first answer; empty: nothing.
std::string long_start(const FileView& view, const StageSteps& steps);

/// A worker that takes jobs from a queue answers at once, and loads what a job needs.
bool is_queue_worker(const StageSteps& steps);

}  // namespace flense::lint
