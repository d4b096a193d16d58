// The part of the rules on sizes that is of owners and modes, beside what a later layer removes.
#pragma once

#include <vector>

#include "lint/facts/build_steps.h"
#include "lint/facts/sent_files.h"
#include "lint/facts/written_paths.h"
#include "lint/rules/rules.h"

namespace flense::lint {

/// chown-in-own-layer: files that a recursive chown, chmod or chgrp writes into the image twice.
void judge_owners(const FileView& view, const StageSteps& steps, const SentFiles& sent,
                  const std::vector<Written>& written, FindingSink& sink);

}  // namespace flense::lint
