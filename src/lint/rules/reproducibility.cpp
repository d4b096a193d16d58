// What may be different tomorrow: bases without a digest, installers that change daily, versions
// that the shell takes for files.
#include <algorithm>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "knowledge/table_rows.h"
#include "lint/facts/build_steps.h"
#include "lint/packages/command_options.h"
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
    // Of a repository that has ended nothing is built again.
    if (view.project->knowledge->images.old_repository(image->familiar()) != nullptr) continue;
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
  bool plain = false;            ///< quotes around it are all that it wants
};

bool is_bound(const ShellRedirection& one) {
  const std::string& text = one.target.text;
  return (one.op == ">" || one.op == "<") &&
         // Of "numpy>= 1.2" the version stands apart: the step ends.
         ((text.starts_with('=') && text.size() > 1) ||
          (!text.empty() && text.find_first_not_of("0123456789.,*") == std::string::npos));
}

/// The first word that may be a package: behind the verb of what installs. Without one, 0.
std::size_t first_package(const ShellCommand& command, const Program& program) {
  bool pip = !program.name.starts_with("python");
  for (std::size_t at = program.first + 1; at < command.words.size(); ++at) {
    const std::string& word = command.words[at].text;
    pip = pip || (is_one_of(word, {"pip", "uv"}) && command.words[at - 1].text == "-m");
    if (pip &&
        is_one_of(word, {"install", "add", "download", "wheel", "create", "update", "upgrade"}))
      return at + 1;
  }
  return 0;
}

/// Whether the word is the value of the option in front of it.
bool is_value(const ShellCommand& command, std::size_t at, const Program& program) {
  const std::string_view before = command.words[at - 1].text;
  return program.name.ends_with("conda") || program.name.ends_with("mamba")
             ? std::ranges::find(kCondaValues, before) != kCondaValues.end()
             : std::ranges::find(kPipValues, before) != kPipValues.end();
}

/// A name alone, or "torch>=2," in front of its next bound: behind "torch==2.0" stands a file.
bool takes_bound(const ShellWord& word) {
  const auto request = parse_requirement(word.text);
  return request && request->url.empty() && request->marker.empty() &&
         (request->specifier.empty() || word.text.ends_with(','));
}

std::vector<Redirected> redirected_in(const ShellCommand& command, const Program& program,
                                      std::string_view file) {
  std::vector<Redirected> out;
  const std::size_t first = first_package(command, program);
  if (first == 0) return out;
  for (const ShellRedirection& redirection : command.redirections) {
    const std::size_t bound = redirection.target.span.begin;
    if (!is_bound(redirection) || (!out.empty() && bound < out.back().span.end)) continue;
    // The word that ends where the redirection begins is the package.
    for (std::size_t at = first; at < command.words.size(); ++at) {
      const ShellWord& word = command.words[at];
      if (word.text.starts_with('-') || word.span.end > bound ||
          bound - word.span.end > redirection.op.size() || !takes_bound(word) ||
          is_value(command, at, program))
        continue;
      Span whole{word.span.begin, redirection.target.span.end};
      // torch>=2,<3: the next bound follows at once. Of torch>=2>3 nobody knows what is meant.
      bool clear = true;
      for (const ShellRedirection& next : command.redirections) {
        if (next.target.span.begin != whole.end + next.op.size() || !is_bound(next)) continue;
        clear = clear && file[whole.end - 1] == ',';
        whole.end = next.target.span.end;
      }
      // An expression of a workflow is not what the reader of commands saw.
      std::string target = redirection.target.text;
      if (target.contains("$X")) target = file.substr(bound, redirection.target.span.end - bound);
      const std::string_view text = file.substr(whole.begin, whole.end - whole.begin);
      out.push_back({whole, parse_requirement(word.text)->name, redirection.op, std::move(target),
                     clear && text.find_first_of("\"'\\`") == text.npos});
    }
  }
  return out;
}

/// numpy>=1.*, torch>=2.1+cu118, torch>==2: the shell hides it from pip, and pip refuses it.
bool is_refused(std::string_view requirement) {
  for (std::size_t at = 0; (at = requirement.find_first_of("<>", at)) != requirement.npos; ++at) {
    const std::string_view bound = requirement.substr(at, requirement.find(',', at) - at);
    if (bound.find_first_of("*+") != bound.npos || bound.substr(1).starts_with("==")) return true;
  }
  return false;
}

/// In a text of YAML that has quotes of its own: - run: "pip install torch>=2".
bool lies_in_quotes(const ProjectFile& file, std::size_t at) {
  if (file.dockerfile || file.kind == FileKind::kShell) return false;
  const std::string_view text = file.source.text();
  const std::string_view before = text.substr(0, at);
  return before.substr(before.rfind('\n') + 1).find_first_of("\"'") != before.npos;
}

/// pip install torch>=2.0 without quotes: the shell writes a file "=2.0".
void redirected(const ProjectFile& file, const ShellCommand& command, FindingSink& sink) {
  constexpr std::size_t kMost = 1'000;  // each bound is looked for among all words
  if (command.redirections.empty() || command.redirections.size() > kMost ||
      command.words.size() > kMost)
    return;
  const Program program = program_of(command);
  const std::string& name = program.name;
  if (!name.starts_with("pip") && name != "uv" && name != "conda" && name != "mamba" &&
      name != "micromamba" && !name.starts_with("python"))
    return;
  const std::vector<Redirected> all = redirected_in(command, program, file.source.text());
  if (all.empty()) return;
  // Double quotes would end the text of sh -c "…".
  const char quote = command.within == '"' || command.within == '?' ? '\'' : '"';
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
  // "numpy>=1.2 <2": what stands apart would stay a redirection.
  const bool apart =
      read != command.redirections.end() && std::ranges::none_of(all, [&](const Redirected& one) {
        return one.span.begin <= read->target.span.begin && read->target.span.end <= one.span.end;
      });
  if (apart) found.fix += ", with all bounds of a package in one word";
  if (std::ranges::any_of(
          all, [&](const Redirected& one) { return is_refused(file.source.slice(one.span)); }))
    found.fix =
        "put the requirement in quotes, as \"torch>=2.1\": pip refuses *, +VARIANT and == behind "
        "'<' or '>'";
  // Any version was installed until now; a file that is not there ended the step.
  found.unsafe = read == command.redirections.end();
  for (const Redirected& one : all)
    if (one.plain && !apart && command.within != '?' && !lies_in_quotes(file, one.span.begin) &&
        !is_refused(file.source.slice(one.span)))
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
