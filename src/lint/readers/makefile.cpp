// Makefiles, as GNU make's manual describes them: the command lines of their recipes, with the
// variables whose values the file itself tells. What only make can know, by its functions, its
// conditions, other files and the targets, stays unknown.
#include <algorithm>
#include <map>
#include <set>

#include "lint/readers/launch_words.h"
#include "lint/readers/readers.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostRecipes = 100'000;
constexpr std::size_t kLongestValue = 4096;
constexpr std::size_t kLongestRecipe = std::size_t{256} << 10;
constexpr std::size_t kMostExpanded = std::size_t{1} << 20;  // of a file's values, all together
constexpr unsigned kMostNestedValues = 16;

/// The end of $(…), ${…} or $X at `at`; npos: it has none.
std::size_t reference_end(std::string_view text, std::size_t at) {
  const char open = at + 1 < text.size() ? text[at + 1] : '\n';
  if (open != '(' && open != '{') return at + 1 < text.size() ? at + 2 : text.npos;
  const char close = open == '(' ? ')' : '}';
  std::size_t depth = 0;
  for (++at; at < text.size(); ++at) {
    if (text[at] == open) ++depth;
    if (text[at] == close && --depth == 0) return at + 1;
  }
  return text.npos;
}

/// The first of `wanted` that stands in no reference; npos: none.
std::size_t find_outside(std::string_view text, std::string_view wanted, std::size_t at) {
  while (at < text.size() && !wanted.contains(text[at]))
    at = text[at] == '$' ? reference_end(text, at)
                         : at + (text.substr(at).starts_with("\\#") ? 2 : 1);
  return at < text.size() ? at : text.npos;
}

/// The variable of an assignment, from what stands before its '='; empty: the name is computed.
std::string_view name_before(std::string_view text) {
  while (!text.empty() && std::string_view(":?+!").contains(text.back())) text.remove_suffix(1);
  text = trim_space(text);
  for (std::size_t end = 0; (end = text.find_first_of(" \t")) != text.npos;) {
    if (!is_one_of(text.substr(0, end), {"export", "override", "private"})) return {};
    text = trim_space_left(text.substr(end));
  }
  return text.contains('$') ? std::string_view() : text;
}

/// A value without its comment; continued lines are one.
std::string defined_value(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = text.substr(at);
    if (text[at] == '#') break;
    if (rest.starts_with("\\\n") || rest.starts_with("\\\r\n")) {
      while (!out.empty() && is_blank(out.back())) out.pop_back();
      while (at + 1 < text.size() && is_blank(text[at + 1])) ++at;
      out += ' ';
      continue;
    }
    if (rest.starts_with("\\#")) ++at;
    out += text[at];
  }
  return std::string(trim_space(out));
}

struct Definition {
  std::string text;
  bool simple = false;  ///< the text is the value; else its references are followed when it is used
};

/// A recipe as the shell gets it; each of its bytes has the place of what it comes from.
struct Recipe {
  std::string text;
  std::vector<Span> places;

  void add(std::string_view bytes, Span place) {
    text += bytes;
    places.resize(text.size(), place);
  }
  /// Where a piece of the text comes from.
  void place(Span& span) const {
    const Span first = places[std::min(span.begin, places.size() - 1)];
    span = span.empty() ? Span{first.begin, first.begin}
                        : Span{first.begin, places[std::min(span.end, places.size()) - 1].end};
  }
};

class Makefile {
 public:
  explicit Makefile(std::string_view text) : text_(text) {}

  std::vector<std::vector<ShellCommand>> recipes() {
    for (std::size_t at = 0; at < text_.size() && recipes_.size() < kMostRecipes;) {
      const std::size_t end = line_end(at);
      take({at, end});
      at = end + 1;
    }
    // Of several values of a target's own nobody knows which one is used.
    for (const std::string& name : of_targets_) variables_[name] = std::nullopt;
    std::vector<std::vector<ShellCommand>> out;
    for (const Span recipe : recipes_) out.push_back(commands_of(recipe));
    return out;
  }

 private:
  /// Of a line with those that continue it.
  std::size_t line_end(std::size_t at) const {
    for (const std::size_t begin = at;; ++at) {
      at = std::min(text_.find('\n', at), text_.size());
      std::size_t last = at;
      if (last > begin && text_[last - 1] == '\r') --last;
      std::size_t backslashes = 0;
      while (last > begin && text_[last - 1] == '\\') --last, ++backslashes;
      if (at == text_.size() || backslashes % 2 == 0) return at;
    }
  }

  void take(Span span) {
    const std::string_view line = text_.substr(span.begin, span.end - span.begin);
    const std::string_view inner = trim_space(line);
    const std::string_view word = inner.substr(0, inner.find_first_of(" \t"));
    if (definitions_ > 0) {
      if (word == "define") ++definitions_;
      if (word == "endef") --definitions_;
    } else if (in_rule_ && line.starts_with(prefix_)) {
      recipes_.push_back({span.begin + 1, span.end});
    } else if (is_one_of(word, {"ifeq", "ifneq", "ifdef", "ifndef"})) {
      ++conditions_;
    } else if (word == "endif") {
      conditions_ -= conditions_ > 0 ? 1 : 0;
    } else if (!inner.empty() && inner.front() != '#' && word != "else") {
      in_rule_ = false;
      statement(span, line, word);
    }
  }

  void statement(Span span, std::string_view line, std::string_view word) {
    if (is_one_of(word, {"include", "-include", "sinclude"})) return;
    if (is_one_of(word, {"define", "undefine"})) {
      definitions_ = word == "define" ? 1 : 0;
      const std::string_view rest = trim_space(line.substr(line.find(word) + word.size()));
      variables_[std::string(rest.substr(0, rest.find_first_of(" \t=:?+")))] = std::nullopt;
      return;
    }
    const std::size_t at = find_outside(line, "=:#", 0);
    if (at == line.npos || line[at] == '#') return;
    if (line[at] == '=')
      return assign(line.substr(0, at), line[at - (at > 0)], line.substr(at + 1));
    const std::size_t equals = line.find_first_not_of(':', at);
    if (equals != line.npos && line[equals] == '=')
      return assign(line.substr(0, at), ':', line.substr(equals + 1));
    in_rule_ = true;
    const std::size_t next = find_outside(line, "=;#", at + 1);
    if (next == line.npos || line[next] == '#') return;
    if (line[next] == ';') return recipes_.push_back({span.begin + next + 1, span.end});
    in_rule_ = false;
    of_targets_.emplace(name_before(line.substr(at + 1, next - at - 1)));
  }

  void assign(std::string_view before, char kind, std::string_view text) {
    const std::string name(name_before(before));
    if (name.empty()) return;
    std::string value = defined_value(text);
    if (name == ".RECIPEPREFIX") prefix_ = value.empty() ? '\t' : value.front();
    const auto [at, fresh] = variables_.try_emplace(name);
    std::optional<Definition>& known = at->second;
    if (kind == '?' && !fresh) return;
    const bool simple = kind == ':' || (kind == '+' && known && known->simple);
    Recipe out;
    if (conditions_ > 0 || kind == '!' || (kind == '+' && !known) ||
        (simple && !expand(value, 0, 0, kLongestValue, out))) {
      known = std::nullopt;
      return;
    }
    if (simple) value = std::move(out.text);
    if (kind != '+')
      known = Definition{std::move(value), simple};
    else
      known->text.append(" ").append(value);
  }

  /// What the reference is replaced by: an unknown one is a substitution of the shell, whose value
  /// is as unknown.
  std::string replaced(std::string_view reference, unsigned depth) {
    if (reference == "$$") return "$";
    std::string_view inside = reference.substr(1);
    if (inside.size() > 1) inside = inside.substr(1, inside.size() - 2);
    if (const auto at = variables_.find(inside);
        at != variables_.end() && at->second && depth < kMostNestedValues &&
        at->second->text.size() < std::min(kLongestValue, budget_)) {
      budget_ -= at->second->text.size() + 1;
      Recipe out;
      if (at->second->simple) return at->second->text;
      const bool whole = expand(at->second->text, 0, depth + 1, kLongestValue, out);
      budget_ -= std::min(budget_, out.text.size());
      if (whole) return std::move(out.text);
    }
    // $(shell pwd) is the shell's $(pwd).
    if (inside.starts_with("shell ")) inside = trim_space(inside.substr(6));
    const std::size_t end = inside.find_first_of(" \t\r\n,:;&\\()'\"`#${}");
    return "$(" + std::string(inside.substr(0, end)) + ")";
  }

  /// `begin` is where the text stands; false: too long, or a reference has no end.
  bool expand(std::string_view text, std::size_t begin, unsigned depth, std::size_t most,
              Recipe& out) {
    for (std::size_t at = 0, next = 0; at < text.size(); at = next) {
      next = text[at] == '$' ? reference_end(text, at) : at + 1;
      if (next == text.npos || out.text.size() > most) return false;
      // make takes the prefix off continued lines too.
      if (text[at] == prefix_ && at > 0 && text[at - 1] == '\n') continue;
      const std::string_view piece = text.substr(at, next - at);
      out.add(text[at] == '$' ? replaced(piece, depth) : std::string(piece),
              {begin + at, begin + next});
    }
    return out.text.size() <= most;
  }

  std::vector<ShellCommand> commands_of(Span recipe) {
    Recipe line;
    if (!expand(text_.substr(recipe.begin, recipe.end - recipe.begin), recipe.begin, 0,
                kLongestRecipe, line))
      return {};
    const std::size_t first = line.text.find_first_not_of("@+- \t");
    if (first == line.text.npos) return {};
    std::vector<ShellCommand> out = split_shell(line.text, {first, line.text.size()}).commands;
    for (ShellCommand& command : out) {
      line.place(command.span);
      for (ShellAssignment& assignment : command.assignments) placed(line, assignment.value);
      for (ShellWord& word : command.words) placed(line, word);
      for (ShellRedirection& redirection : command.redirections) placed(line, redirection.target);
    }
    return out;
  }

  /// make looks into the shell's quotes too.
  static void placed(const Recipe& line, ShellWord& word) {
    line.place(word.span);
    word.dynamic = word.dynamic || word.text.contains("$(");
  }

  std::string_view text_;
  std::map<std::string, std::optional<Definition>, std::less<>> variables_;  ///< nullopt: unknown
  std::set<std::string> of_targets_;
  std::vector<Span> recipes_;
  std::size_t budget_ = kMostExpanded;
  unsigned conditions_ = 0, definitions_ = 0;
  char prefix_ = '\t';
  bool in_rule_ = false;
};

bool moves(const ShellCommand& command) {
  return is_one_of(program_of(command).name, {"cd", "pushd"});
}

}  // namespace

std::vector<std::vector<ShellCommand>> recipes_of(const SourceText& source) {
  return Makefile(source.text()).recipes();
}

std::vector<std::vector<ShellCommand>> scripts_of(const ProjectFile& file) {
  const std::string_view text = file.source.text();
  if (file.kind == FileKind::kMakefile) return recipes_of(file.source);
  if (file.kind == FileKind::kShell) return {split_shell(text, {0, text.size()}).commands};
  return {};
}

FileContent read_makefile(const SourceText& source) {
  FileContent out;
  for (const std::vector<ShellCommand>& commands : recipes_of(source)) {
    const auto builds = static_cast<std::ptrdiff_t>(out.names.builds.size());
    read_commands(commands, source.path(), out);
    // Which directory a build's paths begin at is unknown then.
    if (std::ranges::any_of(commands, moves))
      out.names.builds.erase(out.names.builds.begin() + builds, out.names.builds.end());
  }
  return out;
}

}  // namespace flense::lint
