// Any text is read as a Dockerfile: places stay inside of the file and of each other, and the stage
// graph has no way back.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "lint/dockerfile/dockerfile.h"

namespace {

using flense::lint::Dockerfile;
using flense::lint::Instruction;
using flense::lint::ShellCommand;
using flense::lint::SourceText;
using flense::lint::Span;

void check(bool holds) {
  if (!holds) std::abort();
}

void check_span(Span span, Span outer) {
  check(span.begin <= span.end && span.begin >= outer.begin && span.end <= outer.end);
}

void check_instruction(const Instruction& instruction, Span outer) {
  check_span(instruction.span, outer);
  check_span(instruction.keyword_span, instruction.span);
  check_span(instruction.arguments, instruction.span);
  for (const auto& flag : instruction.flags) {
    check_span(flag.span, instruction.span);
    (void)flag.pairs();
  }
  std::size_t last = 0;
  for (const auto& word : instruction.words) {
    check_span(word.span, instruction.span);
    check(word.span.begin >= last);
    last = word.span.end;
  }
  for (const auto& pair : instruction.pairs) {
    check_span(pair.key.span, instruction.span);
    if (pair.value) check_span(pair.value->span, instruction.span);
  }
  for (const auto& document : instruction.heredocs) check_span(document.body, instruction.span);
  for (const ShellCommand& command : instruction.commands) {
    check_span(command.span, instruction.span);
    for (const auto& word : command.words) check_span(word.span, instruction.span);
  }
  if (instruction.trigger) check_instruction(*instruction.trigger, instruction.span);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const SourceText source("Dockerfile", {reinterpret_cast<const char*>(data), size});
  const Dockerfile file = parse_dockerfile(source);
  const Span all{0, size};
  for (const auto& problem : file.problems) {
    check_span(problem.span, all);
    check(!problem.message.empty());
  }
  for (const Instruction& instruction : file.globals) check_instruction(instruction, all);
  for (std::size_t at = 0; at < file.stages.size(); ++at) {
    const auto& stage = file.stages[at];
    check(!stage.parent || *stage.parent < at);
    check(!stage.instructions.empty() &&
          stage.instructions.front().keyword == flense::lint::Keyword::kFrom);
    for (const Instruction& instruction : stage.instructions) check_instruction(instruction, all);
    if (at < 8) check(file.lineage(at).size() <= at + 1);
  }
  check(file.reachable().size() == file.stages.size());
  return 0;
}
