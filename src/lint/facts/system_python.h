// The Python of a base's distribution, and steps after which another one may be called.
#pragma once

#include <string_view>

#include "lint/facts/stage_view.h"

namespace flense::lint {

/// Bases that are the distribution and libraries beside it, without a Python of their own.
bool is_plain_system(const GpuImage& base);

/// A word of a step after which pip may be another one, or may write: environments, other Pythons,
/// the mark's removal.
bool may_be_other_python(std::string_view word);

/// A step after which pip is another one, by its words; the option against the mark and its
/// variable do not count.
bool may_bring_pip(const Instruction& step);

}  // namespace flense::lint
