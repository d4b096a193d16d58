// Any text is split into commands, in both dialects: places stay inside of the text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "lint/shell/shell.h"
#include "lint/source/image_name.h"

namespace {

using flense::lint::Environment;
using flense::lint::ShellCommand;
using flense::lint::ShellDialect;
using flense::lint::Span;

void check(bool holds) {
  if (!holds) std::abort();
}

void check_span(Span span, Span outer) {
  check(span.begin <= span.end && span.begin >= outer.begin && span.end <= outer.end);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Environment values{{"A", "a b"}, {"E", ""}, {"U", std::nullopt}};
  // What stands around the span must not matter.
  const Span span{size / 16, size - size / 16};
  for (const ShellDialect& dialect :
       {ShellDialect{}, ShellDialect{'\\', true}, ShellDialect{'`', true}}) {
    const auto read = split_shell(text, span, dialect);
    for (const ShellCommand& command : read.commands) {
      check_span(command.span, span);
      for (const auto& word : command.words) {
        check_span(word.span, span);
        (void)flense::lint::expand(word.text, values);
        if (const auto image = flense::lint::parse_image_name(word.text))
          check(flense::lint::parse_image_name(image->registry + "/" + image->repository)
                    .has_value() ||
                image->registry == "docker.io");
      }
      for (const auto& assignment : command.assignments) {
        check(!assignment.name.empty());
        check_span(assignment.value.span, span);
      }
      for (const auto& redirection : command.redirections)
        check_span(redirection.target.span, span);
      const auto program = program_of(command);
      check(program.name.empty() || program.first < command.words.size());
    }
  }
  return 0;
}
