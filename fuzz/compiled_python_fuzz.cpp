// Any bytes are read as the answer of an image's Python: an error, or for each source a state and,
// where it was compiled, a file that an import would take for it.
#include <cstdint>
#include <cstdlib>

#include "slim/python/compiled_python.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace flense;
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  // The first line is what the interpreter says of itself.
  const std::string_view text = as_text(bytes);
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return 0;
  const auto kind = slim::parse_python_kind(text.substr(0, line + 1));
  if (!kind) return 0;
  check(!kind->tag.empty() && kind->tag.find('/') == std::string::npos && kind->tag != "..");
  ByteReader answer(bytes.subspan(line + 1), "answer");
  const closure::PythonSource source{"usr/lib/python3.11/os.py", 3, 5};
  while (answer.remaining() > 0) {
    const std::size_t before = answer.position();
    const auto compiled = slim::read_compiled(answer, *kind, source);
    if (!compiled) return 0;
    check(answer.position() == before + 8 + compiled->bytes.size());
    if (compiled->state != slim::CompileState::kCompiled) {
      check(compiled->bytes.empty());
      continue;
    }
    check(compiled->bytes.size() > 16 && compiled->bytes.size() <= slim::kMostCompiledBytes);
    check(load_le<std::uint32_t>(compiled->bytes, 0) == kind->magic);
    check(load_le<std::uint32_t>(compiled->bytes, 8) == 5);
    check(load_le<std::uint32_t>(compiled->bytes, 12) == 3);
  }
  return 0;
}
