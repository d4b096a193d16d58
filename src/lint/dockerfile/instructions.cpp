#include "lint/dockerfile/instructions.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "lint/dockerfile/flags.h"
#include "lint/dockerfile/lex.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostProblems = 2000;

enum class Shape { kCommand, kPaths, kBlank, kPairs, kArguments, kText, kHealth, kTrigger };

struct Known {
  std::string_view word;
  Shape shape;
};

/// In the order of Keyword.
constexpr Known kKnown[] = {
    {"ADD", Shape::kPaths},    {"ARG", Shape::kArguments},      {"CMD", Shape::kCommand},
    {"COPY", Shape::kPaths},   {"ENTRYPOINT", Shape::kCommand}, {"ENV", Shape::kPairs},
    {"EXPOSE", Shape::kBlank}, {"FROM", Shape::kBlank},         {"HEALTHCHECK", Shape::kHealth},
    {"LABEL", Shape::kPairs},  {"MAINTAINER", Shape::kText},    {"ONBUILD", Shape::kTrigger},
    {"RUN", Shape::kCommand},  {"SHELL", Shape::kCommand},      {"STOPSIGNAL", Shape::kText},
    {"USER", Shape::kText},    {"VOLUME", Shape::kPaths},       {"WORKDIR", Shape::kText},
};

static_assert(std::size(kKnown) == std::to_underlying(Keyword::kWorkdir) + 1U);

std::optional<Keyword> keyword_of(std::string_view word) {
  const auto* const found = std::ranges::find(kKnown, word, &Known::word);
  if (found == std::end(kKnown)) return std::nullopt;
  return static_cast<Keyword>(found - std::begin(kKnown));
}

/// Letters to change, add, drop or swap with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
  constexpr std::size_t kMost = 16;
  if (a.size() > kMost || b.size() > kMost) return kMost;
  std::array<std::array<std::size_t, kMost + 1>, kMost + 1> table{};
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        table[i][j] = i + j;
        continue;
      }
      table[i][j] = std::min({table[i - 1][j] + 1, table[i][j - 1] + 1,
                              table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        table[i][j] = std::min(table[i][j], table[i - 2][j - 2] + 1);
    }
  return table[a.size()][b.size()];
}

class InstructionReader {
 public:
  /// What even a trigger is refused for where it stands goes to `at_once`.
  InstructionReader(const LogicalLine& line, char escape, std::vector<ParseProblem>& problems,
                    std::vector<ParseProblem>& at_once)
      : line_(line), text_(line.text), escape_(escape), problems_(problems), at_once_(at_once) {}

  std::optional<RawInstruction> read(Range range) {
    const bool whole = range.begin == 0;  // otherwise it is what ONBUILD triggers
    range = trimmed(text_, range);
    RawInstruction raw;
    Instruction& out = raw.instruction;
    const Range word = take_word(text_, range);
    const std::string written = to_upper(text_.substr(word.begin, word.end - word.begin));
    out.keyword_span = line_.source_of(word.begin, word.end);
    // A lone escape character on a line before the keyword belongs to it.
    out.span = {whole ? line_.span.begin : out.keyword_span.begin, line_.span.end};
    const std::size_t before = problems_.size();
    const auto keyword = keyword_of(written);
    if (!keyword) {
      unknown(written, out.keyword_span);
      return std::nullopt;
    }
    out.keyword = *keyword;
    out.flags = take_flags(line_, range, escape_);
    range = trimmed(text_, range);
    out.arguments = line_.source_of(range.begin, range.end);
    arguments(raw, kKnown[std::to_underlying(*keyword)].shape, range);
    check_flags(out, problems_);
    raw.fine = problems_.size() == before && before < kMostProblems;
    return raw;
  }

 private:
  void refuse(Span span, std::string why) {
    if (problems_.size() < kMostProblems) problems_.push_back({span, std::move(why)});
  }

  void refuse_at_once(Span span, std::string why) {
    if (at_once_.size() < kMostProblems) at_once_.push_back({span, std::move(why)});
  }

  void unknown(const std::string& word, Span span) {
    const std::string near = nearest_keyword(word);
    refuse(span, near.empty() ? fmt::format("{} is not an instruction", shown(word))
                              : fmt::format("{} is not an instruction; {} is", shown(word), near));
  }

  static std::string shown(const std::string& word) {
    constexpr std::size_t kMost = 40;
    return word.size() > kMost ? word.substr(0, kMost) + "…" : word;
  }

  void add_word(RawInstruction& raw, Range word) {
    const std::string_view text = text_.substr(word.begin, word.end - word.begin);
    raw.words.emplace_back(text);
    raw.instruction.words.push_back(
        {unquote(text, escape_), line_.source_of(word.begin, word.end)});
  }

  void add_array(RawInstruction& raw, JsonArray array) {
    raw.instruction.exec_form = true;
    for (Word& word : array.words) {
      raw.words.push_back(word.text);
      raw.instruction.words.push_back(std::move(word));
    }
  }

  /// False where the text is not an array; one that holds something else is a problem.
  bool array(RawInstruction& raw, Range range) {
    auto read = read_json_array(line_, range);
    if (!read) return false;
    if (!read->strings_only)
      refuse_at_once(line_.source_of(range.begin, range.end), "the array may hold strings only");
    add_array(raw, std::move(*read));
    return true;
  }

  void arguments(RawInstruction& raw, Shape shape, Range range) {
    switch (shape) {
      case Shape::kCommand:
      case Shape::kPaths:
        if (!array(raw, range))
          for (const Range word : split_blank(text_, range)) add_word(raw, word);
        break;
      case Shape::kBlank:
        for (const Range word : split_blank(text_, range)) add_word(raw, word);
        break;
      case Shape::kText:
        if (!range.empty()) add_word(raw, range);
        break;
      case Shape::kPairs:
        pairs(raw, range);
        break;
      case Shape::kArguments:
        named(raw, range);
        break;
      case Shape::kHealth:
        health(raw, range);
        break;
      case Shape::kTrigger:
        trigger(raw, range);
        break;
    }
    count(raw);
  }

  /// How many arguments there must be, and of what kind.
  void count(const RawInstruction& raw) {
    const Instruction& out = raw.instruction;
    const Keyword keyword = out.keyword;
    const std::size_t words = out.words.size();
    const Span at = out.arguments.empty() ? out.keyword_span : out.arguments;
    if (out.copies()) {
      if (words < 2)
        refuse(at,
               fmt::format("{} needs at least one source and a destination", to_string(keyword)));
    } else if (keyword == Keyword::kExpose || keyword == Keyword::kVolume) {
      if (words == 0) refuse(at, fmt::format("{} needs at least one argument", to_string(keyword)));
    } else if (keyword == Keyword::kUser || keyword == Keyword::kWorkdir ||
               keyword == Keyword::kStopsignal || keyword == Keyword::kMaintainer) {
      if (words == 0) refuse(at, fmt::format("{} needs an argument", to_string(keyword)));
    } else if (keyword == Keyword::kShell) {
      if (!out.exec_form || words == 0)
        refuse(at, "SHELL needs a JSON array: SHELL [\"/bin/bash\", \"-c\"]");
    } else if (keyword == Keyword::kFrom) {
      from(raw);
    }
  }

  void from(const RawInstruction& raw) {
    const Instruction& out = raw.instruction;
    const auto& words = out.words;
    const Span at = out.arguments.empty() ? out.keyword_span : out.arguments;
    if (words.size() != 1 && (words.size() != 3 || !same_text(raw.words[1], "as"))) {
      refuse(at, "FROM needs an image, or an image, AS and a name");
      return;
    }
    if (words.size() == 1) return;
    const std::string name = to_lower(raw.words[2]);
    const bool fine = is_letter(name.front()) && std::ranges::all_of(name, [](char c) {
                        return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
                      });
    if (!fine)
      refuse(words[2].span,
             fmt::format("{} cannot name a stage: a letter, then letters, digits, '-', '_', '.'",
                         words[2].text));
  }

  void pairs(RawInstruction& raw, Range range) {
    Instruction& out = raw.instruction;
    const std::vector<Range> words = split_quoted(text_, range, escape_);
    if (words.empty()) {
      refuse(out.keyword_span,
             fmt::format("{} needs at least one argument", to_string(out.keyword)));
      return;
    }
    for (const Range word : words) add_word(raw, word);
    const auto text = [&](Range word) { return text_.substr(word.begin, word.end - word.begin); };
    if (!text(words.front()).contains('=')) {
      Range rest = range;
      const Range key = take_word(text_, rest);
      if (rest.empty()) {
        refuse_at_once(line_.source_of(key.begin, key.end),
                       fmt::format("{} needs a name and a value: {}=value", to_string(out.keyword),
                                   text(key)));
        return;
      }
      add_pair(raw, key, rest);
      return;
    }
    for (const Range word : words) {
      const std::size_t equals = text(word).find('=');
      const Span span = line_.source_of(word.begin, word.end);
      if (equals == std::string_view::npos)
        refuse_at_once(span,
                       fmt::format("{} has no '='; here everything is name=value, and blanks in a "
                                   "value need quotes",
                                   text(word)));
      else if (equals == 0)
        refuse(span, fmt::format("a name is missing before '=' in {}", to_string(out.keyword)));
      else
        add_pair(raw, {word.begin, word.begin + equals}, Range{word.begin + equals + 1, word.end});
    }
  }

  void add_pair(RawInstruction& raw, Range key, std::optional<Range> value) {
    const auto text = [&](Range word) { return text_.substr(word.begin, word.end - word.begin); };
    const auto word = [&](Range range) {
      return Word{unquote(text(range), escape_), line_.source_of(range.begin, range.end)};
    };
    KeyValue pair{word(key), std::nullopt};
    std::optional<std::string> written;
    if (value) {
      pair.value = word(*value);
      written = text(*value);
    }
    raw.instruction.pairs.push_back(std::move(pair));
    raw.pairs.emplace_back(text(key), std::move(written));
  }

  void named(RawInstruction& raw, Range range) {
    Instruction& out = raw.instruction;
    for (const Range word : split_quoted(text_, range, escape_)) {
      add_word(raw, word);
      const std::string_view text = text_.substr(word.begin, word.end - word.begin);
      const std::size_t equals = text.find('=');
      if (equals == 0)
        refuse(out.words.back().span, "a name is missing before '=' in ARG");
      else if (equals == text.npos)
        add_pair(raw, word, std::nullopt);
      else
        add_pair(raw, {word.begin, word.begin + equals}, Range{word.begin + equals + 1, word.end});
    }
    if (out.words.empty()) refuse(out.keyword_span, "ARG needs at least one argument");
  }

  void health(RawInstruction& raw, Range range) {
    Instruction& out = raw.instruction;
    if (range.empty()) {
      refuse(out.keyword_span, "HEALTHCHECK needs CMD and a command, or NONE");
      return;
    }
    Range rest = range;
    const Range type = take_word(text_, rest);
    add_word(raw, type);
    const std::string kind = out.words.front().text;
    const Span span = out.words.front().span;
    if (!array(raw, rest))
      for (const Range word : split_blank(text_, rest)) add_word(raw, word);
    if (same_text(kind, "NONE")) {
      if (out.words.size() > 1) refuse(out.words[1].span, "HEALTHCHECK NONE takes no arguments");
    } else if (!same_text(kind, "CMD")) {
      refuse(span, fmt::format("HEALTHCHECK knows CMD and NONE, not {}", kind));
    } else if (out.words.size() == 1) {
      refuse(span, "a command is missing after HEALTHCHECK CMD");
    }
    out.arguments = line_.source_of(rest.begin, rest.end);
  }

  void trigger(RawInstruction& raw, Range range) {
    Instruction& out = raw.instruction;
    for (const Range word : split_blank(text_, range)) add_word(raw, word);
    if (out.words.empty()) {
      refuse(out.keyword_span, "ONBUILD needs an instruction");
      return;
    }
    const std::string word = to_upper(out.words.front().text);
    const auto keyword = keyword_of(word);
    if (keyword == Keyword::kOnbuild || keyword == Keyword::kFrom ||
        keyword == Keyword::kMaintainer) {
      refuse(out.words.front().span, fmt::format("{} cannot be an ONBUILD trigger", word));
      return;
    }
    // Problems of a trigger itself are reported where it runs.
    InstructionReader reader(line_, escape_, raw.later, problems_);
    if (auto inner = reader.read(range))
      out.trigger = std::make_unique<Instruction>(std::move(inner->instruction));
  }

  const LogicalLine& line_;
  std::string_view text_;
  char escape_;
  std::vector<ParseProblem>& problems_;
  std::vector<ParseProblem>& at_once_;
};

}  // namespace

std::string_view to_string(Keyword keyword) {
  return kKnown[std::to_underlying(keyword)].word;
}

std::optional<RawInstruction> read_instruction(const LogicalLine& line, char escape,
                                               std::vector<ParseProblem>& problems) {
  return InstructionReader(line, escape, problems, problems).read({0, line.text.size()});
}

std::string nearest_keyword(std::string_view word) {
  std::size_t best = 3;
  std::string out;
  for (const Known& candidate : kKnown) {
    const std::size_t away = distance(to_upper(word), candidate.word);
    if (away >= best || away * 3 > candidate.word.size()) continue;
    best = away;
    out = candidate.word;
  }
  return out;
}

}  // namespace flense::lint
