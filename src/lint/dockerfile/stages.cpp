#include "lint/dockerfile/stages.h"

#include <algorithm>
#include <utility>

#include "base/format.h"
#include "lint/dockerfile/flags.h"
#include "lint/dockerfile/instructions.h"
#include "lint/dockerfile/lines.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

// In bytes. Values are copied for each instruction that changes them; beyond this limit they count
// as unknown.
constexpr std::size_t kMostCopied = 64U << 20;
constexpr std::size_t kLongestValue = 4096;
constexpr std::size_t kMostStageProblems = 2000;

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Known to every build, with values that only the build knows.
constexpr std::string_view kPredefined[] = {
    "BUILDARCH", "BUILDOS",        "BUILDPLATFORM", "BUILDVARIANT",  "TARGETARCH",
    "TARGETOS",  "TARGETPLATFORM", "TARGETSTAGE",   "TARGETVARIANT",
};

std::optional<std::string> value_of(Lexed lexed) {
  if (!lexed.known || !lexed.error.empty() || lexed.text.size() > kLongestValue)
    return std::nullopt;
  return std::move(lexed.text);
}

}  // namespace

std::string image_problem(std::string_view name) {
  if (name == "scratch" || parse_image_name(name)) return {};
  const std::string lowered = to_lower(name);
  if (lowered != name && parse_image_name(lowered))
    return fmt::format("{} is not an image: names are lower case", name);
  return fmt::format("{} is not an image name", name);
}

StageBuilder::StageBuilder(std::string_view text, Dockerfile& out) : text_(text), out_(out) {
  Environment known;
  for (const std::string_view name : kPredefined) known.emplace(name, std::nullopt);
  globals_.values = std::make_shared<const Environment>(std::move(known));
  globals_.closed = true;
}

Lexed StageBuilder::lex(std::string_view word, const Scope& scope, Span span) {
  LexOptions options;
  options.escape = out_.escape;
  Lexed out = lex_word(word, scope, options);
  if (!out.error.empty()) refuse(span, out.error);
  return out;
}

void StageBuilder::refuse(Span span, std::string why) {
  if (out_.problems.size() < kMostStageProblems) out_.problems.push_back({span, std::move(why)});
}

bool StageBuilder::may_copy(const Environment& values) {
  constexpr std::size_t kNode = 120;
  for (const auto& [name, value] : values)
    copied_ += kNode + name.size() + (value ? value->size() : 0);
  return copied_ <= kMostCopied;
}

void StageBuilder::replace(State& state, Environment changes) {
  if (changes.empty()) return;
  if (!may_copy(*state.values) || !may_copy(changes)) {
    state.values = std::make_shared<const Environment>();
    state.closed = false;
    return;
  }
  auto next = std::make_shared<Environment>(*state.values);
  for (auto& [name, value] : changes) (*next)[name] = std::move(value);
  state.values = std::move(next);
}

void StageBuilder::add(RawInstruction raw) {
  if (raw.instruction.keyword == Keyword::kFrom) {
    from(std::move(raw));
    return;
  }
  if (out_.stages.empty()) {
    if (raw.instruction.keyword == Keyword::kArg)
      global(std::move(raw));
    else
      refuse(raw.instruction.keyword_span,
             fmt::format("{} stands before the first FROM", to_string(raw.instruction.keyword)));
    return;
  }
  Stage& stage = out_.stages.back();
  State& state = states_.back();
  raw.instruction.environment = state.values;
  read_commands(raw.instruction, text_, state.shell, out_.escape);
  read_steps(raw.instruction);
  if (raw.fine) apply(raw, stage, state);
  stage.span.end = raw.instruction.span.end;
  stage.instructions.push_back(std::move(raw.instruction));
}

void StageBuilder::read_steps(Instruction& instruction) {
  static const Environment kNone;
  instruction.step_commands = step_commands_of(
      instruction.commands, instruction.environment ? *instruction.environment : kNone, expanded_);
  if (instruction.trigger != nullptr) read_steps(*instruction.trigger);
}

void StageBuilder::global(RawInstruction raw) {
  raw.instruction.environment = globals_.values;
  Environment changes;
  for (std::size_t at = 0; at < raw.pairs.size(); ++at) {
    const auto& [name, value] = raw.pairs[at];
    // An ARG sees what precedes it in the same line.
    if (value) {
      const Scope scope = scope_of(globals_);
      changes[name] = value_of(lex(*value, scope, raw.instruction.pairs[at].value->span));
      replace(globals_, std::exchange(changes, {}));
    } else if (!globals_.values->contains(name)) {
      replace(globals_, {{name, std::nullopt}});
    }
  }
  out_.globals.push_back(std::move(raw.instruction));
}

void StageBuilder::from(RawInstruction raw) {
  Stage stage;
  State state;
  state.values = std::make_shared<const Environment>();
  stage.span = raw.instruction.span;
  raw.instruction.environment = globals_.values;
  if (!raw.instruction.words.empty()) base(stage, state, raw);
  const auto& words = raw.instruction.words;
  if (words.size() == 3 && same_text(words[1].text, "as")) stage.name = to_lower(words[2].text);
  stage.instructions.push_back(std::move(raw.instruction));
  if (!stage.name.empty()) out_.stage_names[stage.name] = out_.stages.size();
  out_.stages.push_back(std::move(stage));
  states_.push_back(std::move(state));
}

void StageBuilder::base(Stage& stage, State& state, const RawInstruction& raw) {
  const Scope scope = scope_of(globals_);
  const Instruction& instruction = raw.instruction;
  stage.base = instruction.words.front();
  const Lexed name = lex(raw.words.front(), scope, stage.base.span);
  if (const Flag* platform = instruction.flag("platform"); platform != nullptr) {
    stage.platform = platform->value;
    const Lexed value = lex(platform->value, scope, platform->span);
    if (value.known && value.error.empty() && raw.fine)
      if (std::string why = platform_problem(value.text); !why.empty())
        refuse(platform->span, std::move(why));
  }
  if (!name.known || !name.error.empty() || !raw.fine) return;
  if (name.text.empty()) {
    refuse(stage.base.span,
           fmt::format("{} has no value here: a base is missing", stage.base.text));
    return;
  }
  stage.base_resolved = name.text;
  if (const auto found = out_.stage_names.find(name.text); found != out_.stage_names.end()) {
    stage.parent = found->second;
    const State& parent = states_[found->second];
    state.values = parent.values;
    state.closed = parent.closed;
    state.shell = parent.shell;
    stage.environment = out_.stages[found->second].environment;
    if (!may_copy(stage.environment)) stage.environment.clear();
    for (const ParseProblem& problem : parent.triggers) {
      if (out_.problems.size() >= kMostStageProblems) break;
      refuse(problem.span, problem.message);
    }
    return;
  }
  state.closed = name.text == "scratch";
  if (state.closed) replace(state, {{"PATH", std::string(kDefaultPath)}});
  // Podman and Buildah take a transport.
  std::string_view image = name.text;
  if (image.starts_with("docker://")) image.remove_prefix(9);
  stage.image = parse_image_name(image);
  // An ARG without a default is for the caller to give, and so is one of "?" or "<your tag>".
  const auto filled_in = [&](char mark) {
    return name.text.contains(mark) && !stage.base.text.contains(mark);
  };
  const bool given =
      stage.base.text.contains('$') &&
      (name.text.contains("//") || name.text.starts_with('/') || name.text.ends_with('/') ||
       name.text.ends_with(':') || filled_in('?') || (filled_in('<') && filled_in('>')));
  if (std::string why = image_problem(image); !why.empty() && !given)
    refuse(stage.base.span, std::move(why));
}

void StageBuilder::apply(const RawInstruction& raw, Stage& stage, State& state) {
  const Instruction& instruction = raw.instruction;
  const Scope scope = scope_of(state);
  check_flag_values(instruction, scope, out_.escape, out_.problems);
  const Keyword keyword = instruction.keyword;
  if (keyword == Keyword::kEnv || keyword == Keyword::kLabel) {
    assign(raw, stage, state);
  } else if (keyword == Keyword::kArg) {
    declare(raw, state);
  } else if (keyword == Keyword::kShell) {
    state.shell = shell_of(instruction);
  } else if (keyword == Keyword::kOnbuild) {
    std::ranges::copy(raw.later, std::back_inserter(state.triggers));
  } else {
    check_words(raw, scope);
  }
}

void StageBuilder::assign(const RawInstruction& raw, Stage& stage, State& state) {
  const Scope scope = scope_of(state);
  Environment changes;
  for (std::size_t at = 0; at < raw.pairs.size(); ++at) {
    const KeyValue& pair = raw.instruction.pairs[at];
    const Lexed name = lex(raw.pairs[at].first, scope, pair.key.span);
    Lexed value = lex(raw.pairs[at].second.value_or(""), scope, pair.value->span);
    if (raw.instruction.keyword != Keyword::kEnv || !name.known || name.text.empty()) continue;
    changes[name.text] = value_of(std::move(value));
  }
  if (!may_copy(changes))
    stage.environment.clear();
  else
    for (const auto& [name, value] : changes) stage.environment[name] = value;
  replace(state, std::move(changes));
}

void StageBuilder::declare(const RawInstruction& raw, State& state) {
  const Scope scope = scope_of(state);
  Environment changes;
  for (std::size_t at = 0; at < raw.pairs.size(); ++at) {
    const auto& [name, value] = raw.pairs[at];
    if (value) {
      changes[name] = value_of(lex(*value, scope, raw.instruction.pairs[at].value->span));
    } else if (const auto global = globals_.values->find(name); global != globals_.values->end()) {
      changes[name] = global->second;
    } else if (!state.values->contains(name)) {
      changes[name] = std::nullopt;
    }
  }
  replace(state, std::move(changes));
}

void StageBuilder::check_words(const RawInstruction& raw, const Scope& scope) {
  const Instruction& instruction = raw.instruction;
  const Keyword keyword = instruction.keyword;
  if (instruction.copies()) {
    check_copy(raw, scope);
    return;
  }
  const bool replaced = keyword == Keyword::kExpose || keyword == Keyword::kVolume ||
                        keyword == Keyword::kWorkdir || keyword == Keyword::kUser ||
                        keyword == Keyword::kStopsignal;
  if (!replaced) return;
  for (std::size_t at = 0; at < raw.words.size(); ++at) {
    const Span span = instruction.words[at].span;
    if (keyword == Keyword::kVolume && trim_space(raw.words[at]).empty()) {
      refuse(span, "VOLUME needs paths; this one is empty");
      continue;
    }
    const Lexed lexed = lex(raw.words[at], scope, span);
    if (!lexed.known || !lexed.error.empty()) continue;
    std::string why;
    if (keyword == Keyword::kStopsignal) why = signal_problem(lexed.text);
    if (keyword == Keyword::kVolume && lexed.text.empty())
      why = "VOLUME needs paths; this one is empty";
    if (keyword == Keyword::kExpose)
      for (const std::string& port : lexed.words)
        if (why.empty())
          why = port.starts_with('#') ? "a comment has a line of its own; # is not a port"
                                      : port_problem(port);
    if (why.empty()) continue;
    refuse(span, std::move(why));
    // The words of what is meant as a comment are no ports either.
    if (raw.words[at].starts_with('#')) return;
  }
}

void StageBuilder::check_copy(const RawInstruction& raw, const Scope& scope) {
  const Instruction& instruction = raw.instruction;
  for (std::size_t at = 0; at < raw.words.size(); ++at) {
    const Span span = instruction.words[at].span;
    const bool last = at + 1 == raw.words.size();
    if (!instruction.exec_form && heredoc_of(raw.words[at])) {
      if (last)
        refuse(span, fmt::format("{} needs a destination after the here-document",
                                 to_string(instruction.keyword)));
      continue;
    }
    const Lexed lexed = lex(raw.words[at], scope, span);
    if (!lexed.known || !lexed.error.empty() || last) continue;
    const std::string_view source = lexed.text;
    const bool remote = source.starts_with("http://") || source.starts_with("https://") ||
                        source.starts_with("git://") || source.starts_with("ssh://") ||
                        source.starts_with("git@");
    if (remote && instruction.keyword == Keyword::kCopy)
      refuse(span, fmt::format("COPY takes no remote source; ADD {} does", source));
    if (const Flag* checksum = instruction.flag("checksum"); checksum != nullptr && at == 0) {
      if (raw.words.size() != 2)
        refuse(checksum->span, "--checksum is for one source alone");
      else if (!remote)
        refuse(checksum->span, "--checksum is for sources of http, https and git");
    }
  }
  LexOptions body;
  body.plain_quotes = true;
  for (const Heredoc& document : instruction.heredocs) {
    if (!document.expand) continue;
    const Lexed lexed = lex_word(
        text_.substr(document.body.begin, document.body.end - document.body.begin), scope, body);
    if (!lexed.error.empty()) refuse(document.body, lexed.error);
  }
}

void StageBuilder::check_reference(std::size_t stage, const Instruction& instruction,
                                   const Flag& flag, std::string_view from, bool numbers) {
  if (from.empty()) return;
  const bool is_number = numbers && all_digits(from);
  const auto source = is_number ? out_.find_stage(from) : out_.stage_named(from);
  if (is_number && !source) {
    refuse(flag.span, fmt::format("there is no stage {}; the first is 0", from));
    return;
  }
  if (!source) {
    if (std::string why = image_problem(from); !why.empty()) refuse(flag.span, std::move(why));
  } else if (*source == stage) {
    refuse(flag.span, fmt::format("{} takes from its own stage", to_string(instruction.keyword)));
  } else if (*source > stage) {
    refuse(flag.span, fmt::format("stage {} comes later in the file; it must come first", from));
  }
}

void StageBuilder::finish() {
  for (std::size_t at = 0; at < out_.stages.size(); ++at)
    for (const Instruction& instruction : out_.stages[at].instructions)
      for (const Origin& origin : instruction.origins()) {
        if (instruction.keyword == Keyword::kCopy) {
          const Environment none;
          const Scope scope{&none, true};
          LexOptions options;
          options.escape = out_.escape;
          const Lexed lexed = lex_word(origin.name, scope, options);
          if (!lexed.error.empty() || lexed.text != origin.name)
            refuse(origin.flag->span,
                   "--from takes no variable: name a stage with FROM … AS and use that");
          else
            check_reference(at, instruction, *origin.flag, origin.name, true);
        } else if (!origin.name.contains('$')) {
          check_reference(at, instruction, *origin.flag, origin.name, false);
        }
      }
}

}  // namespace flense::lint
