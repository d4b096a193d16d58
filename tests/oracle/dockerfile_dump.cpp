// What flense reads of Dockerfiles, for tests/oracle/dockerfiles.py: a JSON array of texts comes on
// standard input; for each, its problems and its instructions with their lines go out.
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "lint/dockerfile/dockerfile.h"
#include "text/json.h"

namespace {

using flense::lint::Dockerfile;
using flense::lint::Instruction;
using flense::lint::SourceText;
using flense::text::Json;

Json lines(const SourceText& source, flense::lint::Span span) {
  Json out = Json::array();
  const auto first = source.position(span.begin);
  const auto last = source.position(span.end);
  out.push(first.line).push(first.column).push(last.line).push(last.column);
  return out;
}

Json described(const SourceText& source, const Instruction& instruction) {
  Json out = Json::object();
  out.set("keyword", instruction.keyword);
  out.set("span", lines(source, instruction.span));
  out.set("keyword_span", lines(source, instruction.keyword_span));
  Json words = Json::array(), flags = Json::array();
  for (const auto& word : instruction.words) words.push(lines(source, word.span));
  for (const auto& flag : instruction.flags)
    flags.push(Json::object().set("name", flag.name).set("span", lines(source, flag.span)));
  out.set("words", std::move(words)).set("flags", std::move(flags));
  return out;
}

Json described(const std::string& text) {
  const SourceText source("Dockerfile", text);
  const Dockerfile read = parse_dockerfile(source);
  Json problems = Json::array(), instructions = Json::array();
  for (const auto& problem : read.problems)
    problems.push(
        Json::object().set("span", lines(source, problem.span)).set("message", problem.message));
  for (const Instruction& instruction : read.globals)
    instructions.push(described(source, instruction));
  for (const auto& stage : read.stages)
    for (const Instruction& instruction : stage.instructions)
      instructions.push(described(source, instruction));
  Json out = Json::object();
  out.set("problems", std::move(problems)).set("instructions", std::move(instructions));
  return out;
}

}  // namespace

int main() {
  const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  const auto texts = flense::text::parse_json(input, "standard input");
  if (!texts) {
    std::fputs(flense::render(texts.error()).c_str(), stderr);
    return 1;
  }
  Json out = Json::array();
  for (const Json& text : texts->items()) out.push(described(std::string(text.text())));
  std::puts(dump_json(out).c_str());
}
