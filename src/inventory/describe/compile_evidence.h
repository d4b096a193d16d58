// What in an image compiles at run time by what its files hold, whatever the programs are called.
#pragma once

#include <string>

#include "inventory/scan/contents.h"

namespace flense::inventory {

/// Each the path of the first file that says so; empty where none does.
struct CompileEvidence {
  /// Hands them sources.
  std::string nvrtc = {}, hiprtc = {};
  /// Holds a C compiler, and came to be used: as a Python package or as a library.
  std::string front_end = {};
  /// Another program that holds one; counts where somebody starts one.
  std::string program = {};
  /// Files of Python packages and programs that start a C compiler, or nvcc.
  std::string starts_host = {}, starts_nvcc = {};
};

CompileEvidence find_compile_evidence(const Contents& contents);

}  // namespace flense::inventory
