// Any text is read as .dockerignore: what lies below an ignored directory is ignored too, unless a
// pattern takes it back; a plain name fits itself.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "lint/dockerfile/ignore_file.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  // The first line is a path, the rest the file.
  const std::size_t newline = std::min(text.find('\n'), text.size());
  const std::string path = text.substr(0, newline);
  const flense::lint::SourceText source(".dockerignore",
                                        text.substr(std::min(newline + 1, text.size())));
  const auto file = read_ignore_file(source);
  for (const auto& problem : file.problems) check(problem.span.end <= source.text().size());
  const bool ignored = file.ignores(path);
  if (ignored && !file.has_exceptions() && !path.empty()) check(file.ignores(path + "/below"));
  for (const auto& pattern : file.patterns) {
    check(pattern.span().end <= source.text().size());
    if (pattern.text().find_first_of("*?[\\") == std::string::npos)
      check(pattern.matches(pattern.text()));
  }
  return 0;
}
