// The C compiler for the machine that the tests were built for, and what runs its programs where
// that machine is emulated.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/process.h"

namespace flense::testing {

#ifdef __aarch64__
inline constexpr const char* kCompiler = "aarch64-linux-gnu-gcc";
inline constexpr const char* kEmulator = "qemu-aarch64-static";
#else
inline constexpr const char* kCompiler = "gcc";
inline constexpr const char* kEmulator = "";
#endif

/// How a program of that compiler is started.
inline std::vector<std::string> start_words(const std::string& program) {
  if (const auto emulator = find_program(kEmulator)) return {*emulator, program};
  return {program};
}

}  // namespace flense::testing
