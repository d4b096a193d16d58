// What slim/python/compile_python.py answers: for each source a state (0 compiled, 1 current, 2
// failed), a length, both 32 bits little-endian, and so many bytes, which are a file as importlib
// writes it (PEP 552): magic number, flags 0, time and size of the source, then the code. The
// program that wrote it is the image's, so every field is checked.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "closure/python_sources.h"

namespace flense::slim {

/// What an interpreter says of itself.
struct PythonKind {
  std::uint32_t magic = 0;  ///< as the first four bytes of its compiled files
  std::string tag;          ///< "cpython-311"
};
/// "MAGIC TAG\n": a decimal number, and letters, digits, "-", "_", ".". Bad input else.
Result<PythonKind> parse_python_kind(std::string_view text);

enum class CompileState : std::uint8_t {
  kCompiled,
  kCurrent,  ///< the image has the file, and an import would take it
  kFailed,   ///< no Python of this version, as templates and tests of parsers are not
};

struct CompiledSource {
  CompileState state = CompileState::kFailed;
  Bytes bytes;  ///< the whole file; empty but for kCompiled
};

/// A compiled file is no larger.
inline constexpr std::uint64_t kMostCompiledBytes = 64u << 20;

/// Reads the answer for `source`; bad input for what importlib would not take for its compiled
/// file.
Result<CompiledSource> read_compiled(ByteReader& answer, const PythonKind& kind,
                                     const closure::PythonSource& source);

}  // namespace flense::slim
