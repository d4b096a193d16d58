// Images that have no release because their owner wants it so.
#pragma once

#include <string_view>

#include "lint/facts/stage_view.h"

namespace flense::lint {

/// The comments above a base say that a release may be written, or that the newest is wanted.
bool is_chosen_floating(std::string_view comments);

/// The comment behind an image says that it is to be replaced: it is that of a template.
bool is_to_be_replaced(const SourceText& source, Span image);

/// What is built on the base takes the head of a repository, and no version of anything: its owner
/// wants what is new.
bool takes_heads(const FileView& view, const StageView& base);

}  // namespace flense::lint
