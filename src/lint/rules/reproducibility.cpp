// What may be different tomorrow: bases without a digest, installers that change daily, versions
// that the shell takes for files.
#include <algorithm>
#include <set>

#include "base/format.h"
#include "knowledge/table_rows.h"
#include "lint/facts/build_steps.h"
#include "lint/packages/requirement_text.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

void digests(const FileView& view, FindingSink& sink) {
  std::set<std::string> said;
  for (const StageView& stage : view.stages) {
    if (!stage.own_base || !stage.reachable || !stage.image.vendor.known()) continue;
    const auto& image = stage.stage->image;
    // Without a tag another rule applies.
    if (!image || !image->digest.empty() || image->tag.empty() || image->tag == "latest") continue;
    if (!said.insert(stage.stage->base_resolved).second) continue;
    Finding& found = sink.add("gpu-base-digest", *view.file, stage.stage->base.span,
                              fmt::format("{}:{} is rebuilt under the same tag, and no digest is "
                                          "written",
                                          image->familiar(), image->tag));
    found.evidence = {stage.image.vendor.evidence};
    found.fix =
        fmt::format("write {}:{}@sha256:… (docker buildx imagetools inspect {}:{} tells it)",
                    image->familiar(), image->tag, image->familiar(), image->tag);
  }
}

void floating(const FileView& view, FindingSink& sink) {
  const auto& rows = view.project->knowledge->images.floating_installers;
  const auto judge = [&](std::string_view word, Span span) {
    if (word.size() > 500) return;
    for (const knowledge::FloatingInstallerRow& row : rows) {
      if (!knowledge::matches_pattern(row.pattern, word)) continue;
      Finding& found =
          sink.add("floating-installer", *view.file, span, fmt::format("this is {}", row.what));
      found.evidence = {row.source};
      found.fix = "take " + row.instead;
      return;
    }
  };
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    if (stage.own_base) judge(stage.stage->base_resolved, stage.stage->base.span);
    for (const Instruction& instruction : stage.stage->instructions) {
      for (const ShellCommand& command : instruction.commands)
        for (const ShellWord& word : command.words) {
          const auto known = word.dynamic && instruction.environment
                                 ? expand(word.text, *instruction.environment)
                                 : std::nullopt;
          judge(known ? *known : word.text, word.span);
        }
      if (instruction.keyword == Keyword::kAdd)
        for (const Word& word : instruction.words) judge(word.text, word.span);
      if (const Flag* from = instruction.flag("from")) judge(from->value, from->span);
    }
  }
}

/// "numpy>=1.24" where the shell reads a package and a redirection.
struct Redirected {
  Span span;
  std::string name, op, target;  ///< of the redirection: ">", "=1.24"
  bool quoted = false;
};

bool is_bound(const ShellRedirection& one) {
  const std::string& text = one.target.text;
  return (one.op == ">" || one.op == "<") &&
         (text.starts_with('=') ||
          (!text.empty() && text.find_first_not_of("0123456789.,*") == std::string::npos));
}

std::vector<Redirected> redirected_in(const ShellCommand& command, std::string_view file) {
  std::vector<Redirected> out;
  for (const ShellRedirection& redirection : command.redirections) {
    const std::size_t bound = redirection.target.span.begin;
    if (!is_bound(redirection) || (!out.empty() && bound < out.back().span.end)) continue;
    // The word that ends where the redirection begins is the package.
    for (std::size_t at = 1; at < command.words.size(); ++at) {
      const ShellWord& word = command.words[at];
      if (word.text.starts_with('-') || word.span.end > bound ||
          bound - word.span.end > redirection.op.size())
        continue;
      const auto request = parse_requirement(word.text);
      if (!request) continue;
      Span whole{word.span.begin, redirection.target.span.end};
      // torch>=2,<3: the next bound follows at once.
      for (const ShellRedirection& next : command.redirections)
        if (next.target.span.begin == whole.end + next.op.size()) whole.end = next.target.span.end;
      // An expression of a workflow is not what the reader of commands saw.
      std::string target = redirection.target.text;
      if (target.contains("$X")) target = file.substr(bound, redirection.target.span.end - bound);
      out.push_back({whole, request->name, redirection.op, std::move(target),
                     file.substr(whole.begin, whole.end - whole.begin).find_first_of("\"'") !=
                         std::string_view::npos});
    }
  }
  return out;
}

/// pip install torch>=2.0 without quotes: the shell writes a file "=2.0".
void redirected(const ProjectFile& file, const ShellCommand& command, FindingSink& sink) {
  constexpr std::size_t kMost = 1'000;  // each bound is looked for among all words
  if (command.redirections.empty() || command.redirections.size() > kMost ||
      command.words.size() > kMost)
    return;
  const std::string program = program_of(command).name;
  if (!program.starts_with("pip") && program != "uv" && program != "conda" && program != "mamba" &&
      program != "micromamba" && !program.starts_with("python"))
    return;
  const std::vector<Redirected> all = redirected_in(command, file.source.text());
  if (all.empty()) return;
  // Double quotes would end the text of sh -c "…".
  const std::string_view before = file.source.text().substr(0, all.front().span.begin);
  const std::size_t doubled = before.rfind("-c \""), single = before.rfind("-c '");
  const bool within = command.depth > 0 && doubled != std::string_view::npos &&
                      (single == std::string_view::npos || single < doubled);
  const char quote = within ? '\'' : '"';
  std::string names, words;
  for (const Redirected& one : all) {
    std::string plain(file.source.slice(one.span));
    std::erase_if(plain, [](char c) { return c == '"' || c == '\''; });
    names += fmt::format("{}{}", names.empty() ? "" : ", ", one.name);
    words += fmt::format("{}{}{}{}", words.empty() ? "" : " ", quote, plain, quote);
  }
  const Redirected& first = all.front();
  // A file that is to be read ends the command before it begins.
  const auto read = std::ranges::find_if(command.redirections, [](const ShellRedirection& one) {
    return one.op == "<" && is_bound(one);
  });
  Finding& found = sink.add(
      "specifier-redirected", file, first.span,
      read != command.redirections.end()
          ? fmt::format("without quotes the shell wants to read a file '{}', which is not there: "
                        "nothing is installed",
                        read->target.text)
          : fmt::format("without quotes the shell writes {} '{}': {} {} installed in any version",
                        all.size() == 1 ? "a file" : "files such as", first.target, names,
                        all.size() == 1 ? "is" : "are"));
  found.cause = "redirection";
  found.evidence = {"POSIX shell: redirection"};
  found.fix = fmt::format("write {}", words);
  for (const Redirected& one : all)
    if (!one.quoted)
      found.edits.push_back(
          {one.span, fmt::format("{}{}{}", quote, file.source.slice(one.span), quote)});
}

}  // namespace

void judge_reproducibility(const Project& project, const std::vector<FileView>& views,
                           FindingSink& sink) {
  for (const auto& file : project.files)
    for (const ShellCommand& command : file->names.redirected_installs)
      redirected(*file, command, sink);
  for (const FileView& view : views) {
    digests(view, sink);
    floating(view, sink);
    for (const StageView& stage : view.stages)
      for (const Instruction& run : stage.stage->instructions)
        for (const ShellCommand& command : run.commands) redirected(*view.file, command, sink);
  }
}

}  // namespace flense::lint
