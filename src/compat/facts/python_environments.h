// The Python environments of an image: what is installed in one is not seen from another.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "needs/needs.h"

namespace flense::compat {

/// One with packages: a virtual environment or one of conda, or the Python of the system.
struct PythonEnvironment {
  std::string prefix;   ///< "opt/venv"; empty: the system's
  bool starts = false;  ///< the image's command runs in it
};
/// The one in which the command runs comes first; that is told by the program, PATH and what
/// activating sets, and else is the system's.
std::vector<PythonEnvironment> python_environments(const needs::Needs& image);

/// What a program of this environment sees of the image: without the files of the others.
needs::Needs seen_from(const PythonEnvironment& environment,
                       const std::vector<PythonEnvironment>& all, const needs::Needs& image);

}  // namespace flense::compat
