#include "knowledge/error_messages.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/ascii.h"
#include "base/numbers.h"

namespace flense::knowledge {

namespace {

constexpr std::size_t kMaxLine = 16u << 10;
constexpr std::size_t kAnyText = 200;  // between the parts of a message
constexpr std::size_t kReach = 300;    // from a voice to its phrase
constexpr std::size_t kShortestName = 6;
constexpr std::string_view kAny = "…";
/// Before the status of a process, a request or NCCL, whosever name is beside it.
constexpr auto kOtherStatus = std::to_array<std::string_view>(
    {"exit code", "exit status", "exited with code", "exited with status", "http status code",
     "http status", "response code", "nccl error", "nccl failure"});
constexpr auto kQuotes = std::to_array<std::string_view>({"\"", "`", "´", "‘", "’", "“", "”"});
constexpr auto kNone = std::string_view::npos;

constexpr bool in_word(char c) {
  return is_alphanumeric(c) || c == '_';
}
constexpr bool is_slash(char c) {
  return c == '/' || c == '\\';
}

/// A message: parts with any text between them, a name, which must be a whole word, or a whole
/// line.
struct Pattern {
  std::vector<std::string> parts = {};
  std::size_t size = 0;  ///< of all parts
  bool word = false;
  bool line = false;
  const ErrorRow* row = nullptr;

  bool in(std::string_view text) const {
    if (line) return text.substr(0, text.find_last_not_of(' ') + 1) == parts[0];
    for (std::size_t at = text.find(parts[0]); at != kNone; at = text.find(parts[0], at + 1))
      if (fits(text, at)) return true;
    return false;
  }

 private:
  bool fits(std::string_view text, std::size_t at) const {
    std::size_t end = at + parts[0].size();
    if (word)
      return (at == 0 || !in_word(text[at - 1])) && (end == text.size() || !in_word(text[end]));
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const std::size_t next = text.substr(0, end + kAnyText + parts[i].size()).find(parts[i], end);
      if (next == kNone) return false;
      end = next + parts[i].size();
    }
    return true;
  }
};

Pattern pattern(std::string_view text, const ErrorRow* row, bool word = false) {
  Pattern out{.word = word, .row = row};
  const std::string folded = folded_message(text);
  std::string_view rest = folded;
  while (true) {
    const std::size_t end = rest.find(kAny);
    out.parts.emplace_back(rest.substr(0, end));
    out.size += out.parts.back().size();
    if (end == kNone) return out;
    rest.remove_prefix(end + kAny.size());
  }
}

/// Where a line names the voice: at the beginning of a word that is no part of a path.
std::size_t heard_at(const Voice& voice, std::string_view line) {
  for (const std::string& word : voice.words)
    for (std::size_t at = 0, end = 0; (at = line.find(word, end)) != kNone;) {
      end = at + word.size();
      while (end < line.size() && in_word(line[end])) ++end;
      const char before = at == 0 ? ' ' : line[at - 1],
                 after = end == line.size() ? ' ' : line[end];
      if (!is_alphanumeric(before) && before != '-' && !is_slash(before) && !is_slash(after))
        return at;
    }
  return kNone;
}

/// Whether the text ends with a word that stands before the numbers of errors: alone, behind
/// another such word ("errorcode") or behind the voice ("cudaerror"), and not within one
/// ("decode").
bool ends_with_its_word(std::string_view text, const Voice& voice) {
  const auto ends = [](std::string_view in) {
    return [in](std::string_view word) { return in.ends_with(word); };
  };
  return std::ranges::any_of(voice.before, [&](std::string_view word) {
    if (!text.ends_with(word)) return false;
    const std::string_view rest = text.substr(0, text.size() - word.size());
    if (rest.empty() || !is_letter(rest.back()) || !is_letter(word.front())) return true;
    std::size_t begin = rest.size();
    while (begin > 0 && is_letter(rest[begin - 1])) --begin;
    const std::string_view run = rest.substr(begin);
    return std::ranges::any_of(voice.before, ends(run)) ||
           std::ranges::any_of(voice.words, [&](std::string_view one) {
             return run.starts_with(one.substr(0, one.find(' ')));
           });
  });
}

/// The numbers of errors in a line: "failure 35" and "error = 48:" after the voice, "code=802(" and
/// "[222]" also before it.
std::vector<std::uint64_t> numbers_in(std::string_view line, const Voice& voice,
                                      std::size_t heard) {
  std::vector<std::uint64_t> out;
  for (std::size_t end = 0, at; (at = line.find_first_of("0123456789", end)) != kNone;) {
    end = std::min(line.find_first_not_of("0123456789", at), line.size());
    const std::string_view after = line.substr(end, 2);
    const char left = at == 0 ? ' ' : line[at - 1];
    if (end - at > 4 || in_word(left) || left == '.' || left == '-') continue;
    if (at < heard && left != '[' && left != '(' && left != '=') continue;
    if (!after.empty() && (in_word(after[0]) || after[0] == '%')) continue;
    if (after.size() == 2 && (after[0] == '.' || after[0] == ':') && is_digit(after[1])) continue;
    const std::string_view before =
        line.substr(0, line.substr(0, at).find_last_not_of(" :=#([\"'") + 1);
    if (ends_with_its_word(before, voice) && !ends_with_any(before, kOtherStatus))
      out.push_back(parse_number(line.substr(at, end - at)).value_or(0));
  }
  return out;
}

bool tells_a_fault(std::string_view text) {
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"error", "fail", "err:", "status", "exception",
                                              "unable"},
      [&](std::string_view word) { return text.find(word) != kNone; });
}

/// Patterns by four bytes that each must have: a line is looked at once, not once for each pattern.
class Index {
 public:
  /// Those first in `patterns` are found first.
  explicit Index(std::vector<Pattern> patterns) : patterns_(std::move(patterns)) {
    std::vector<std::size_t> common(keys_.size());  // by slot
    for (const Pattern& one : patterns_)
      for (const std::string& part : one.parts)
        each_key(part, [&](std::uint32_t key) { ++common[slot(key)]; });
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      std::optional<std::uint32_t> rarest;
      for (const std::string& part : patterns_[i].parts)
        each_key(part, [&](std::uint32_t key) {
          if (!rarest || common[slot(key)] < common[slot(*rarest)]) rarest = key;
        });
      if (!rarest) continue;  // shorter than any text that tells who speaks
      by_key_[*rarest].push_back(i);
      keys_.set(slot(*rarest));
    }
  }

  std::vector<const Pattern*> in(std::string_view line) const {
    std::vector<std::size_t> may;
    each_key(line, [&](std::uint32_t key) {
      if (!keys_[slot(key)]) return;
      if (const auto at = by_key_.find(key); at != by_key_.end())
        may.insert(may.end(), at->second.begin(), at->second.end());
    });
    std::ranges::sort(may);
    may.erase(std::ranges::unique(may).begin(), may.end());
    std::vector<const Pattern*> out;
    for (const std::size_t i : may)
      if (patterns_[i].in(line)) out.push_back(&patterns_[i]);
    return out;
  }

 private:
  static void each_key(std::string_view text, const auto& take) {
    std::uint32_t key = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      key = key << 8 | static_cast<unsigned char>(text[i]);
      if (i >= 3) take(key);
    }
  }
  static std::size_t slot(std::uint32_t key) { return (key * 2654435761U) >> 16U; }

  std::vector<Pattern> patterns_;
  std::unordered_map<std::uint32_t, std::vector<std::size_t>> by_key_;
  std::bitset<1u << 16> keys_;
};

/// Harmless texts, then longer ones before shorter ones: "Failed to initialize NVML: Unknown Error"
/// is more than "unknown error".
std::vector<Pattern> patterns(const Explained& known) {
  std::vector<Pattern> out;
  for (const ErrorRow& row : known.errors) {
    for (const std::string& message : row.messages) out.push_back(pattern(message, &row));
    for (const std::string& line : row.lines) {
      out.push_back(pattern(line, &row));
      out.back().line = true;
    }
    for (const std::string& name : row.names)
      if (name.size() >= kShortestName) out.push_back(pattern(name, &row, true));
  }
  for (const std::string& text : known.harmless) out.push_back(pattern(text, nullptr));
  std::ranges::stable_sort(out, std::ranges::greater(), [](const Pattern& one) {
    return std::pair(one.row == nullptr, one.size);
  });
  return out;
}

/// "#20" of "#20 28.89 Error: x", a line of a step of a build by BuildKit; else empty.
std::string_view build_step(std::string_view line) {
  const std::size_t end = line.find(' ');
  if (!line.starts_with('#') || end == kNone || end < 2) return {};
  const bool numbered = std::ranges::all_of(line.substr(1, end - 1), is_digit);
  return numbered ? line.substr(0, end) : std::string_view();
}

/// The steps that a later line says are done: what they printed failed nothing.
std::set<std::string_view> finished_steps(std::string_view text) {
  std::set<std::string_view> out;
  while (!text.empty()) {
    const std::string_view line = take_line(text), step = build_step(line);
    if (!step.empty() && line.substr(step.size()).starts_with(" DONE ")) out.insert(step);
  }
  return out;
}

/// A warning, but not one of those that say why something fails later: NCCL's, or of an
/// initialization.
bool only_warns(std::string_view line) {
  const auto says = [&](std::string_view word) { return line.find(word) != kNone; };
  return (says("warning") || says("level=warn")) && !says("nccl warn") && !says("initializ");
}

/// What a line means may depend on the others: lists of interfaces tell something only beside a
/// failure, and a GPU that was lost says more than that none is there.
void weigh(std::vector<ToldError>& told) {
  std::set<std::string_view> ids;
  const auto any = [&](const std::vector<std::string>& of) {
    return std::ranges::any_of(of, [&](const std::string& id) { return ids.contains(id); });
  };
  const auto unfounded = [&](const ToldError& one) {
    return !one.row->beside.empty() && !any(one.row->beside);
  };
  do {  // as one that goes may be the one beside which another is told
    ids.clear();
    for (const ToldError& one : told) ids.insert(one.row->id);
  } while (std::erase_if(told, unfounded) > 0);
  std::erase_if(told, [&](const ToldError& one) { return any(one.row->yields_to); });
}

}  // namespace

class ErrorReader::Rules {
 public:
  explicit Rules(const Explained& known) : known_(known), patterns_(patterns(known)) {
    for (const ErrorRow& row : known.errors)
      for (const std::string& phrase : row.said) said_.emplace_back(folded_message(phrase), &row);
    for (const ErrorRow& row : known.errors)
      for (const std::string& words : row.resolved) resolved_[&row].push_back(pattern(words, &row));
  }

  const ErrorRow* error_in(std::string_view line) const {
    const std::vector<const Pattern*> found = patterns_.in(line);
    if (!found.empty() && found[0]->row == nullptr) return nullptr;
    std::vector<std::pair<const Voice*, std::size_t>> heard;
    for (const Voice& voice : known_.voices)
      if (const std::size_t at = heard_at(voice, line); at != kNone) heard.emplace_back(&voice, at);
    const ErrorRow* general = nullptr;
    const auto is_answer = [&](const ErrorRow* row) {
      if (row->general && general == nullptr) general = row;
      return !row->general;
    };
    bool named = false;  // by a library's own name: the number in "CUDNN failure 3" is not CUDA's
    for (const Pattern* one : found) {
      if (!may_speak(*one->row, heard)) continue;
      if (is_answer(one->row)) return one->row;
      named = named || one->word;
    }
    // "failed to initialize CUDA: initialization error": what a voice says is more than a text.
    const ErrorRow* text = std::exchange(general, nullptr);
    for (const auto& [voice, at] : heard)
      for (const std::uint64_t number :
           named ? std::vector<std::uint64_t>() : numbers_in(line, *voice, at))
        for (const ErrorRow& row : known_.errors)
          if (row.layer == voice->layer && row.has_code(number) && is_answer(&row)) return &row;
    for (const auto& [voice, at] : heard)
      for (const auto& [phrase, row] : said_)
        if (row->layer == voice->layer && says(phrase, line, at) && is_answer(row)) return row;
    return text == nullptr || (general != nullptr && text->names.empty()) ? general : text;
  }

  bool resolves(std::string_view line, const ErrorRow& row) const {
    const auto at = resolved_.find(&row);
    return at != resolved_.end() &&
           std::ranges::any_of(at->second, [&](const Pattern& one) { return one.in(line); });
  }

 private:
  /// Only one that has no voice, or whose voice is heard, or where no voice is heard.
  bool may_speak(const ErrorRow& row, const auto& heard) const {
    const auto is_its = [&](const Voice& voice) { return voice.layer == row.layer; };
    return heard.empty() || std::ranges::none_of(known_.voices, is_its) ||
           std::ranges::any_of(heard, [&](const auto& one) { return is_its(*one.first); });
  }
  static bool says(std::string_view phrase, std::string_view line, std::size_t voice) {
    const std::size_t at = line.find(phrase, voice + 1);
    return at != kNone && at - voice <= kReach && !is_alphanumeric(line[at - 1]) &&
           tells_a_fault(line.substr(0, at));
  }

  const Explained& known_;
  Index patterns_;
  std::vector<std::pair<std::string, const ErrorRow*>> said_;
  std::unordered_map<const ErrorRow*, std::vector<Pattern>> resolved_;
};

std::string folded_message(std::string_view text) {
  std::string out;
  const auto quote_at = [&](std::size_t at) -> std::size_t {  // its size
    if (is_alphanumeric(text[at]) || text[at] == ' ') return 0;
    const auto quote = std::ranges::find_if(
        kQuotes, [&](std::string_view one) { return text.substr(at).starts_with(one); });
    return quote == kQuotes.end() ? 0 : quote->size();
  };
  text = text.substr(0, kMaxLine);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\x1b' && i + 1 < text.size() && text[i + 1] == '[') {
      for (i += 2; i < text.size() && !is_letter(text[i]);) ++i;  // a terminal's colour
      continue;
    }
    // As logs in which a message is a quoted value write its quotes.
    if (c == '\\' && i + 1 < text.size() && text[i + 1] == '"') continue;
    if (const std::size_t quote = quote_at(i); quote > 0) {
      out += '\'';
      i += quote - 1;
      continue;
    }
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    if (!blank && static_cast<unsigned char>(c) < 0x20) continue;
    out += blank ? ' ' : lower(c);
  }
  return out;
}

ErrorReader::ErrorReader(const Explained& known) : rules_(std::make_unique<Rules>(known)) {}
ErrorReader::~ErrorReader() = default;

std::vector<ToldError> ErrorReader::in(std::string_view text) const {
  const std::set<std::string_view> finished = finished_steps(text);
  std::vector<ToldError> out;
  std::set<const ErrorRow*> resolved;  // by a line after the last that says it
  std::set<const ErrorRow*> warned;    // no line says it but warnings
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text);
    if (finished.contains(build_step(line))) continue;
    const std::string folded = folded_message(line);
    for (const ToldError& one : out)
      if (rules_->resolves(folded, *one.row)) resolved.insert(one.row);
    const ErrorRow* row = rules_->error_in(folded);
    if (row == nullptr) continue;
    resolved.erase(row);
    const bool first = std::ranges::find(out, row, &ToldError::row) == out.end();
    if (first) out.push_back({row, line, number});
    if (!only_warns(folded))
      warned.erase(row);
    else if (first)
      warned.insert(row);
  }
  std::erase_if(out, [&](const ToldError& one) { return resolved.contains(one.row); });
  weigh(out);
  // What working programs say too explains no failure.
  const auto explains = [](const ToldError& one) { return !one.row->general && !one.row->advice; };
  if (std::ranges::any_of(out, explains))
    std::erase_if(out, [](const ToldError& one) { return one.row->general; });
  std::ranges::stable_sort(out, {}, [&](const ToldError& one) {
    return one.row->advice ? 2 : warned.contains(one.row) ? 1 : 0;
  });
  return out;
}

}  // namespace flense::knowledge
