// Signs that a file compiles C, C++ or CUDA at run time, whatever its name: the functions that it
// calls by name, the texts of a C preprocessor, and Python code that starts a compiler.
#pragma once

#include <cstdint>
#include <string_view>

#include "device/fatbin.h"
#include "elf/file.h"

namespace flense::inventory {

/// Bits of a set.
enum CompileMarks : std::uint8_t {
  kCallsNvrtc = 1,
  kCallsHiprtc = 2,
  kHoldsFrontEnd = 4,  ///< a preprocessor of C: GCC's, Clang's, tcc's
  kStartsCompiler = 8,
  kStartsNvcc = 16,
};

/// Of an ELF file: imported functions, and what its data names.
std::uint8_t compile_marks(const elf::File& file, const device::FileCode& code);

/// Of the source of a Python module.
std::uint8_t compile_marks_of_python(std::string_view text);

}  // namespace flense::inventory
