// What traced runs say of Python distributions: whose code ran. For the files of this folder alone.
#pragma once

#include <string>
#include <vector>

#include "closure/tree.h"
#include "closure/units.h"
#include "inventory/scan/contents.h"

namespace flense::closure {

/// For each unit, whether it is a Python distribution with code of its own that no traced run used.
/// Metadata counts for nothing, since a program that lists what is installed reads all of it; nor
/// does a source beside its compiled file, since a look for a module ends there, and an import
/// opens the compiled one. Distributions that hold libraries or data alone are never idle: who
/// loads them is the loader's matter, and a run without a GPU loads few of them.
std::vector<bool> idle_distributions(const ReachTree& tree, const ReachUnits& units,
                                     const std::vector<std::string>& traced);

}  // namespace flense::closure
