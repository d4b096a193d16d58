#include "slim/python/compiled_python.h"

#include <algorithm>
#include <charconv>

#include "base/ascii.h"

namespace flense::slim {

namespace {

constexpr std::size_t kHeaderBytes = 16;
constexpr std::size_t kMostTagBytes = 64;

bool is_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= kMostTagBytes && tag.front() != '.' &&
         std::ranges::all_of(
             tag, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

Result<PythonKind> parse_python_kind(std::string_view text) {
  const std::size_t space = text.find(' ');
  PythonKind out;
  if (space != std::string_view::npos && text.ends_with('\n')) {
    const std::string_view magic = text.substr(0, space);
    const auto [end, error] = std::from_chars(magic.data(), magic.data() + magic.size(), out.magic);
    out.tag = text.substr(space + 1, text.size() - space - 2);
    if (error == std::errc() && end == magic.data() + magic.size() && is_tag(out.tag)) return out;
  }
  return bad_input("an interpreter that does not say which compiled files it reads");
}

Result<CompiledSource> read_compiled(ByteReader& answer, const PythonKind& kind,
                                     const closure::PythonSource& source) {
  TRY(const auto state, answer.read<std::uint32_t>("state"));
  TRY(const auto size, answer.read<std::uint32_t>("length"));
  CompiledSource out;
  if (state > static_cast<std::uint32_t>(CompileState::kFailed))
    return bad_input("the answer has the unknown state {}", state);
  out.state = static_cast<CompileState>(state);
  if (out.state != CompileState::kCompiled) {
    if (size != 0) return bad_input("{} bytes without a compiled file", size);
    return out;
  }
  if (size > kMostCompiledBytes) return bad_input("a compiled file of {} bytes", size);
  TRY(out.bytes, answer.read_bytes(size, "compiled file"));
  if (out.bytes.size() <= kHeaderBytes) return bad_input("a compiled file of {} bytes", size);
  const auto field = [&](std::size_t at) { return load_le<std::uint32_t>(out.bytes, at); };
  if (field(0) != kind.magic || field(4) != 0)
    return bad_input("the file is compiled for another interpreter");
  if (field(8) != static_cast<std::uint32_t>(source.mtime) ||
      field(12) != static_cast<std::uint32_t>(source.size))
    return bad_input("the file is compiled from another source");
  return out;
}

}  // namespace flense::slim
