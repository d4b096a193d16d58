#include "lint/dockerfile/flags.h"

#include <algorithm>
#include <set>

#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostFlagProblems = 2000;

enum class Kind { kBool, kText, kRepeated };

struct Rule {
  Keyword keyword;
  std::string_view name;
  Kind kind;
};

constexpr Rule kFlagRules[] = {
    {Keyword::kAdd, "checksum", Kind::kText},
    {Keyword::kAdd, "chmod", Kind::kText},
    {Keyword::kAdd, "chown", Kind::kText},
    {Keyword::kAdd, "exclude", Kind::kRepeated},
    {Keyword::kAdd, "keep-git-dir", Kind::kBool},
    {Keyword::kAdd, "link", Kind::kBool},
    {Keyword::kAdd, "unpack", Kind::kBool},
    {Keyword::kCopy, "chmod", Kind::kText},
    {Keyword::kCopy, "chown", Kind::kText},
    {Keyword::kCopy, "exclude", Kind::kRepeated},
    {Keyword::kCopy, "from", Kind::kText},
    {Keyword::kCopy, "link", Kind::kBool},
    {Keyword::kCopy, "parents", Kind::kBool},
    {Keyword::kFrom, "platform", Kind::kText},
    {Keyword::kHealthcheck, "interval", Kind::kText},
    {Keyword::kHealthcheck, "retries", Kind::kText},
    {Keyword::kHealthcheck, "start-interval", Kind::kText},
    {Keyword::kHealthcheck, "start-period", Kind::kText},
    {Keyword::kHealthcheck, "timeout", Kind::kText},
    {Keyword::kRun, "device", Kind::kRepeated},
    {Keyword::kRun, "mount", Kind::kRepeated},
    {Keyword::kRun, "network", Kind::kText},
    {Keyword::kRun, "security", Kind::kText},
};

const Rule* rule_of(Keyword keyword, std::string_view name) {
  for (const Rule& rule : kFlagRules)
    if (rule.keyword == keyword && rule.name == name) return &rule;
  return nullptr;
}

std::string known_flags(Keyword keyword) {
  std::string out;
  for (const Rule& rule : kFlagRules)
    if (rule.keyword == keyword) out += fmt::format("{}--{}", out.empty() ? "" : ", ", rule.name);
  return out;
}

std::string problem_of(const Instruction& instruction, const Flag& flag,
                       std::set<std::string_view>& seen) {
  const Rule* rule = rule_of(instruction.keyword, flag.name);
  if (rule == nullptr) {
    const std::string known = known_flags(instruction.keyword);
    return known.empty() ? fmt::format("{} takes no flags; --{} is one",
                                       to_string(instruction.keyword), flag.name)
                         : fmt::format("{} has no flag --{}; it has {}",
                                       to_string(instruction.keyword), flag.name, known);
  }
  if (rule->kind != Kind::kRepeated && !seen.insert(flag.name).second)
    return fmt::format("--{} is given twice", flag.name);
  if (rule->kind != Kind::kBool)
    return flag.has_value ? std::string() : fmt::format("--{} needs a value", flag.name);
  if (!flag.has_value) return {};
  if (flag.value.empty()) return fmt::format("--{}= needs true or false", flag.name);
  if (!same_text(flag.value, "true") && !same_text(flag.value, "false"))
    return fmt::format("--{} is true or false, not {}", flag.name, flag.value);
  return {};
}

/// Seconds of Go's notation: "1h30m", "500ms"; nullopt: it is none.
std::optional<double> go_duration(std::string_view text) {
  bool negative = false;
  if (text.starts_with('-') || text.starts_with('+')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return 0.0;
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    double value = 0, place = 1;
    std::size_t digits = 0;
    bool fraction = false;
    while (!text.empty() && (is_digit(text.front()) || (text.front() == '.' && !fraction))) {
      if (text.front() == '.') {
        fraction = true;
      } else {
        ++digits;
        if (fraction) place /= 10;
        value = fraction ? value + place * (text.front() - '0') : value * 10 + (text.front() - '0');
      }
      text.remove_prefix(1);
    }
    if (digits == 0) return std::nullopt;
    struct Unit {
      std::string_view name;
      double seconds;
    };
    constexpr Unit kUnits[] = {{"ns", 1e-9}, {"us", 1e-6}, {"µs", 1e-6}, {"μs", 1e-6},
                               {"ms", 1e-3}, {"s", 1},     {"m", 60},    {"h", 3600}};
    const auto unit = std::ranges::find_if(
        kUnits, [&](const Unit& known) { return text.starts_with(known.name); });
    if (unit == std::end(kUnits)) return std::nullopt;
    total += value * unit->seconds;
    text.remove_prefix(unit->name.size());
  }
  if (total > 9.2e9) return std::nullopt;  // beyond 64 bits of nanoseconds
  return negative ? -total : total;
}

std::string health_problem(const Flag& flag) {
  if (flag.value.empty()) return {};
  if (flag.name == "retries") {
    std::string_view digits = flag.value;
    const bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.remove_prefix(1);
    const bool number = all_digits(digits);
    while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
    if (!number || digits.size() > 10 || (digits.size() == 10 && digits > "2147483647"))
      return fmt::format("--retries={} is not a number", flag.value);
    return negative && digits != "0" ? "--retries cannot be negative" : std::string();
  }
  const auto seconds = go_duration(flag.value);
  if (!seconds)
    return fmt::format("--{}={} is not a duration such as 30s or 1m30s", flag.name, flag.value);
  if (*seconds != 0 && *seconds < 1e-3)
    return fmt::format("--{} cannot be less than 1ms", flag.name);
  return {};
}

std::string chmod_problem(std::string_view mode) {
  if (mode.empty()) return {};
  if (all_digits(mode)) {
    std::string_view octal = mode;
    while (octal.size() > 1 && octal.front() == '0') octal.remove_prefix(1);
    const bool fine = octal.size() <= 4 && octal.find_first_of("89") == octal.npos;
    return fine ? std::string() : fmt::format("--chmod={} is not an octal number up to 7777", mode);
  }
  // ugoa, operator, rwxXst or one of ugo; several operators and clauses.
  std::string_view rest = mode;
  while (true) {
    while (!rest.empty() && std::string_view("ugoa").contains(rest.front())) rest.remove_prefix(1);
    std::size_t operators = 0;
    while (!rest.empty() && std::string_view("+-=").contains(rest.front())) {
      ++operators;
      rest.remove_prefix(1);
      while (!rest.empty() && std::string_view("rwxXstugo").contains(rest.front()))
        rest.remove_prefix(1);
    }
    if (operators == 0 || (!rest.empty() && rest.front() != ','))
      return fmt::format("--chmod={} is not a mode such as 0755 or u=rwX,go=rX", mode);
    if (rest.empty()) return {};
    rest.remove_prefix(1);
  }
}

std::string checksum_problem(const Instruction& instruction, std::string_view checksum) {
  if (checksum.empty() || instruction.words.empty()) return {};
  const std::string_view source = instruction.words.front().text;
  const bool http = source.starts_with("http://") || source.starts_with("https://");
  // For git sources it is a commit.
  if (!http || source.ends_with(".git") || source.contains(".git#") || is_digest(checksum))
    return {};
  return fmt::format("--checksum={} is not a digest such as sha256:…", checksum);
}

/// As BuildKit reads it: strconv.ParseInt, which takes a sign.
bool is_numeric_owner(std::string_view owner) {
  bool first = true;
  return std::ranges::all_of(owner, [&](char c) {
    const bool sign = first && (c == '-' || c == '+');
    first = c == ':';
    return is_digit(c) || first || sign;
  });
}

std::string value_problem(const Instruction& instruction, const Flag& flag, const Scope& scope,
                          char escape, bool linked) {
  if (instruction.keyword == Keyword::kHealthcheck) return health_problem(flag);
  if (flag.name == "network" && !is_one_of(flag.value, {"default", "none", "host"}))
    return fmt::format("--network={} is none of default, none and host", flag.value);
  if (flag.name == "security" && !is_one_of(flag.value, {"insecure", "sandbox"}))
    return fmt::format("--security={} is neither insecure nor sandbox", flag.value);
  if (flag.name == "mount") return mount_problem(flag, scope, escape);
  if (flag.name == "device") return device_problem(flag);
  if (!is_one_of(flag.name, {"chown", "chmod", "checksum"})) return {};
  LexOptions options;
  options.escape = escape;
  const Lexed value = lex_word(flag.value, scope, options);
  if (!value.error.empty()) return fmt::format("--{}: {}", flag.name, value.error);
  if (!value.known) return {};
  if (flag.name == "chmod") return chmod_problem(value.text);
  if (flag.name == "checksum") return checksum_problem(instruction, value.text);
  if (flag.name == "chown" && linked && !is_numeric_owner(value.text))
    return fmt::format("--chown={} names a user or a group; with --link only numbers can be used",
                       value.text);
  return {};
}

}  // namespace

std::optional<std::vector<std::string>> csv_fields(std::string_view text) {
  std::vector<std::string> fields;
  std::size_t at = 0;
  while (true) {
    std::string field;
    if (at < text.size() && text[at] == '"') {
      for (++at;; ++at) {
        if (at >= text.size()) return std::nullopt;
        if (text[at] == '"') {
          if (at + 1 < text.size() && text[at + 1] == '"')
            ++at;
          else
            break;
        }
        field += text[at];
      }
      ++at;
      if (at < text.size() && text[at] != ',') return std::nullopt;
    } else {
      const std::size_t end = std::min(text.find(',', at), text.size());
      field = text.substr(at, end - at);
      if (field.contains('"')) return std::nullopt;
      at = end;
    }
    fields.push_back(std::move(field));
    if (at >= text.size()) return fields;
    ++at;
  }
}

void check_flags(const Instruction& instruction, std::vector<ParseProblem>& problems) {
  // These two ignore their flags.
  if (instruction.keyword == Keyword::kArg || instruction.keyword == Keyword::kStopsignal) return;
  if (instruction.keyword == Keyword::kHealthcheck && !instruction.words.empty() &&
      same_text(instruction.words.front().text, "NONE"))
    return;
  std::set<std::string_view> seen;
  for (const Flag& flag : instruction.flags)
    if (std::string why = problem_of(instruction, flag, seen);
        !why.empty() && problems.size() < kMostFlagProblems)
      problems.push_back({flag.span, std::move(why)});
}

void check_flag_values(const Instruction& instruction, const Scope& scope, char escape,
                       std::vector<ParseProblem>& problems) {
  const Flag* link = instruction.flag("link");
  const bool linked = link != nullptr && !same_text(link->value, "false");
  for (const Flag& flag : instruction.flags)
    if (flag.has_value && rule_of(instruction.keyword, flag.name) != nullptr)
      if (std::string why = value_problem(instruction, flag, scope, escape, linked);
          !why.empty() && problems.size() < kMostFlagProblems)
        problems.push_back({flag.span, std::move(why)});
}

}  // namespace flense::lint
