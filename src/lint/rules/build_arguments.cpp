// Arguments that CI hands to a build.

#include "base/format.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

/// NAME="value" in build-args: no shell takes the quotes off.
void quoted(const ProjectFile& file, FindingSink& sink) {
  if (file.kind != FileKind::kWorkflow) return;
  for (const BuildTarget& build : file.names.builds)
    for (const auto& [name, value] : build.args) {
      const std::string& text = value.text;
      if (text.size() < 2 || (text.front() != '"' && text.front() != '\'') ||
          text.back() != text.front())
        continue;
      const std::string line = name.text + "=" + text;
      Span span = value.span;
      if (const std::size_t at = file.source.slice(span).find(line); at != std::string_view::npos)
        span = {span.begin + at, span.begin + at + line.size()};
      Finding& found =
          sink.add("build-argument-quoted", file, span,
                   fmt::format("the quotes are part of the value that the build gets: {}", text));
      found.evidence = {"docker/build-push-action, build-args: a list of NAME=value, one a line"};
      found.fix = fmt::format("write {}={}", name.text, text.substr(1, text.size() - 2));
    }
}

}  // namespace

void judge_build_arguments(const Project& project, const std::vector<FileView>& /*views*/,
                           FindingSink& sink) {
  for (const auto& file : project.files) quoted(*file, sink);
}

}  // namespace flense::lint
