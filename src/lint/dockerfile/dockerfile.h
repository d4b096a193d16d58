// Dockerfiles as BuildKit reads them (Dockerfile reference, syntax docker/dockerfile:1): parser
// directives, continuations, comments inside them, here-documents, flags, exec and shell forms,
// build stages, and the ARG and ENV that are known at each instruction.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/shell/command_words.h"
#include "lint/source/image_name.h"
#include "lint/source/source.h"

namespace flense::lint {

/// --mount=type=cache,target=/root/.cache
struct Flag {
  std::string name;  ///< "mount"
  std::string value;
  bool has_value = false;
  Span span;
  /// The value as comma-separated pairs, for --mount: {"type","cache"}; a pair without '=' has an
  /// empty second part.
  std::vector<std::pair<std::string, std::string>> pairs() const;
};

struct Heredoc {
  std::string name;
  bool strip_tabs = false;  ///< <<-
  bool expand = true;       ///< false when the name was quoted
  Span body;                ///< without the line of the end
  std::string shebang;      ///< "/usr/bin/env python3"; empty: none
};

struct KeyValue {
  Word key;
  std::optional<Word> value;
};

enum class Keyword : std::uint8_t {
  kAdd,
  kArg,
  kCmd,
  kCopy,
  kEntrypoint,
  kEnv,
  kExpose,
  kFrom,
  kHealthcheck,
  kLabel,
  kMaintainer,
  kOnbuild,
  kRun,
  kShell,
  kStopsignal,
  kUser,
  kVolume,
  kWorkdir,
};
/// "RUN"
std::string_view to_string(Keyword keyword);

/// What COPY --from or a RUN --mount=…,from=… names: a stage or an image.
struct Origin {
  const Flag* flag = nullptr;
  std::string name;
};

struct Instruction {
  Keyword keyword = Keyword::kRun;
  Span keyword_span;
  Span span;       ///< from the keyword to the end of its last line, here-documents included
  Span arguments;  ///< after keyword and flags, without here-documents
  std::vector<Flag> flags;
  bool exec_form = false;       ///< the arguments are a JSON array
  std::vector<Word> words;      ///< elements of the array, or words split at blanks
  std::vector<KeyValue> pairs;  ///< of ENV, ARG, LABEL
  std::vector<Heredoc> heredocs;
  /// RUN, CMD, ENTRYPOINT, HEALTHCHECK CMD: commands of the shell form, of the exec form (one), and
  /// of here-documents that a shell runs; empty where the interpreter is another one.
  std::vector<ShellCommand> commands;
  std::vector<StepCommand> step_commands;  ///< of `commands`
  std::string interpreter;       ///< of `commands`: "/bin/sh", "/bin/bash", "powershell", "python3"
  bool ends_at_failure = false;  ///< the first command that fails ends it: sh -e
  std::shared_ptr<const Environment> environment;  ///< before this instruction: ENV over ARG
  std::unique_ptr<Instruction> trigger;            ///< of ONBUILD

  bool copies() const { return keyword == Keyword::kAdd || keyword == Keyword::kCopy; }
  const Flag* flag(std::string_view name) const;
  std::vector<const Flag*> flags_of(std::string_view name) const;
  std::vector<Origin> origins() const;
};

struct Stage {
  std::string name;                       ///< of AS, lower case; empty: none
  Word base;                              ///< as written
  std::string base_resolved;              ///< ARG replaced by defaults; empty: unknown
  std::optional<std::size_t> parent;      ///< the stage it is built on
  std::optional<ImageName> image;         ///< of the base, if it is not a stage and is known
  std::optional<std::string> platform;    ///< of --platform, as written
  std::vector<Instruction> instructions;  ///< the first is FROM
  Environment environment;                ///< at its end: ENV alone, those of parents included
  Span span;
};

struct Dockerfile {
  const SourceText* source = nullptr;
  std::string syntax;  ///< of the directive
  char escape = '\\';
  std::vector<Instruction> globals;  ///< ARG before the first FROM
  std::vector<Stage> stages;
  std::map<std::string, std::size_t, std::less<>> stage_names;  ///< the last of each name
  std::vector<ParseProblem> problems;  ///< what BuildKit would refuse; the rest is still read
  std::string template_language;       ///< "Jinja", "Go"; empty: it is no template
  bool fragment = false;               ///< instructions without a FROM

  /// Null when there is none.
  const Stage* final_stage() const { return stages.empty() ? nullptr : &stages.back(); }
  /// The stage of this name, in any case; a number counts where BuildKit takes one.
  std::optional<std::size_t> stage_named(std::string_view name) const;
  std::optional<std::size_t> find_stage(std::string_view name_or_number) const;
  /// The stage that COPY --from names.
  std::optional<std::size_t> copied_from(const Instruction& copy) const;
  /// The stage and what it is built on, nearest first, as indices.
  std::vector<std::size_t> lineage(std::size_t stage) const;
  /// Stages that the final one needs: its lineage, and COPY --from and --mount=from, transitively.
  std::vector<bool> reachable() const;
};

/// `source` must outlive the result. At most 16 MiB and 100,000 instructions.
Dockerfile parse_dockerfile(const SourceText& source);

}  // namespace flense::lint
