// The rules by group, in the order of decision; for judge.cpp and the tests.
#pragma once

#include "compat/judge.h"

namespace flense::compat {}  // namespace flense::compat
