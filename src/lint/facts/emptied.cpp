#include "lint/facts/emptied.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/layer_paths.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using Words = std::vector<std::string_view>;

/// The words of find: where it begins, the patterns that choose among what lies there, and whether
/// what is found is removed.
struct Found {
  Words starts, patterns;
  bool chosen = false;   ///< by something else than its type and depth
  bool removed = false;  ///< -delete, -exec rm, | xargs rm
};

bool names_rm(const StepCommand& command) {
  return std::ranges::any_of(command.arguments,
                             [](const Argument& word) { return file_name(word.text) == "rm"; });
}

Found found_by(const std::vector<StepCommand>& commands, std::size_t at) {
  const StepCommand& command = commands[at];
  Found out;
  bool begun = false;
  std::size_t word = 0;
  for (; word < command.arguments.size(); ++word) {
    const std::string_view text = command.arguments[word].text;
    if (text == "-delete" || starts_with_any(text, {"-exec", "-ok"})) break;
    if (!begun && is_one_of(text, {"-L", "-H", "-P"})) continue;
    begun = begun || starts_with_any(text, {"-", "(", "!", "\\("});
    if (!begun) out.starts.push_back(text);
    if (!begun || !starts_with_any(text, {"-", "!"})) continue;
    if (is_one_of(text, {"-name", "-iname", "-path", "-ipath", "-wholename"}) &&
        word + 1 < command.arguments.size())
      out.patterns.push_back(command.arguments[word + 1].text);
    out.chosen =
        out.chosen || !is_one_of(text, {"-mindepth", "-maxdepth", "-type", "-depth", "-follow",
                                        "-xdev", "-mount", "-print", "-print0", "-o", "-or"});
  }
  if (out.starts.empty()) out.starts.emplace_back(".");
  out.removed = command.has("-delete") || (word < command.arguments.size() && names_rm(command));
  constexpr std::size_t kLongestPipe = 4;
  for (std::size_t next = at + 1;
       !out.removed && next < commands.size() && next <= at + kLongestPipe &&
       commands[next - 1].shell->joined_by == "|";
       ++next)
    out.removed = commands[next].program == "xargs" && names_rm(commands[next]);
  return out;
}

/// "/root/{.cache,.conda}" as the shells do that know braces.
std::vector<std::string> without_braces(std::string_view word) {
  constexpr std::size_t kMost = 32, kLongest = 512;
  std::vector<std::string> out{std::string(word)};
  for (std::size_t at = 0; at < out.size() && out.size() < kMost && word.size() <= kLongest;) {
    const std::string one = out[at];
    const std::size_t open = one.find('{');
    const std::size_t close = open == one.npos ? open : one.find('}', open);
    const std::string_view inside = close == one.npos
                                        ? std::string_view()
                                        : std::string_view(one).substr(open + 1, close - open - 1);
    if (!inside.contains(',') || one[open == 0 ? 0 : open - 1] == '$') {
      ++at;
      continue;
    }
    out.erase(out.begin() + static_cast<std::ptrdiff_t>(at));
    for (const std::string_view part : split(inside, ','))
      if (out.size() < kMost)
        out.push_back(one.substr(0, open).append(part) + one.substr(close + 1));
  }
  return out;
}

class Emptying {
 public:
  Emptying(const Step& step, const ToolCache& cache, Emptied how)
      : step_(step), cache_(cache), perhaps_(how == Emptied::kPerhaps) {}

  /// Where the last one stands that does; `npos`: one that is to run at the end.
  std::optional<std::size_t> last_of(const std::vector<StepCommand>& commands,
                                     const std::vector<bool>& reached) const {
    std::optional<std::size_t> out;
    std::string below = step_.directory;
    unsigned depth = 0;  // of the last cd
    for (std::size_t at = 0; at < commands.size(); ++at) {
      const StepCommand& command = commands[at];
      // Behind ( … ) it is what it was, behind { … } what that set.
      if (command.shell->depth < depth) below.clear();
      depth = std::min(depth, command.shell->depth);
      if (is_one_of(command.program, {"cd", "pushd"})) {
        below = command.arguments.empty() ? step_.home
                                          : path_of(step_, command.arguments.front().text, below);
        depth = command.shell->depth;
        continue;
      }
      if (!perhaps_) {
        const auto place =
            static_cast<std::size_t>(command.shell - step_.instruction->commands.data());
        if (!reached[place]) continue;
      }
      if (at_exit(command)) return std::string_view::npos;
      if (!is_alternative(commands, at) && empties(commands, at, below))
        out = command.shell->span.begin;
    }
    return out;
  }

 private:
  /// pip install … || rm -rf ~/.cache: where the install went well it is not run.
  bool is_alternative(const std::vector<StepCommand>& commands, std::size_t at) const {
    if (at == 0 || commands[at - 1].shell->joined_by != "||") return false;
    const std::string& tool = commands[at - 1].program;
    return holds(tool, cache_.tool) || tool.starts_with("python");
  }

  bool empties(const std::vector<StepCommand>& commands, std::size_t at,
               const std::string& below) const {
    const StepCommand& command = commands[at];
    if (command.program == "rm")
      return std::ranges::any_of(command.arguments, [&](const Argument& word) {
        return !word.text.starts_with('-') && removes(word.text, below);
      });
    if (command.program != "find") return is_purge(command);
    const Found found = found_by(commands, at);
    if (!found.removed) return false;
    const auto covers = [&](std::string_view start) { return removes(start, below); };
    if (!found.chosen) return std::ranges::any_of(found.starts, covers);
    return perhaps_ && (std::ranges::any_of(found.patterns,
                                            [&](std::string_view one) { return is_part(one); }) ||
                        std::ranges::any_of(found.starts, [&](std::string_view start) {
                          return start.contains("cache") && covers(start);
                        }));
  }

  /// pip cache purge, uv cache clean, python -m pip cache purge.
  bool is_purge(const StepCommand& command) const {
    if (!command.has("cache")) return false;
    return (holds(command.program, cache_.tool) &&
            (command.has("purge") || command.has("clean") || command.has("remove"))) ||
           (command.program.starts_with("python") && command.has(cache_.tool) &&
            command.has("purge"));
  }

  /// trap 'rm -rf ~/.cache' EXIT; a function that it names may remove anything.
  bool at_exit(const StepCommand& command) const {
    if (command.program != "trap" || !command.has("EXIT") || command.arguments.empty())
      return false;
    const Words words = parts_of(command.arguments.front().text, " \t\n;&|\"");
    const bool removal = std::ranges::find(words, "rm") != words.end();
    return removal ? std::ranges::any_of(words,
                                         [&](std::string_view word) { return removes(word, {}); })
                   : perhaps_ && words.size() == 1;
  }

  /// Names such as ".cache" and "*/pip/*": a part of the cache's path.
  bool is_part(std::string_view path) const {
    while (path.ends_with('/') || path.ends_with('*')) path.remove_suffix(1);
    while (starts_with_any(path, {"/", "*", "./"})) path.remove_prefix(1);
    if (cache_.directory.empty()) return path.contains("cache") && path != "__pycache__";
    return !path.empty() &&
           fmt::format("/{}/", cache_.directory).contains(fmt::format("/{}/", path));
  }

  bool removes(std::string_view word, const std::string& below) const {
    if (!perhaps_ || !word.contains('{')) return removes_one(word, below);
    return std::ranges::any_of(without_braces(word),
                               [&](const std::string& one) { return removes_one(one, below); });
  }

  bool removes_one(std::string_view word, const std::string& below) const {
    std::string path(word);
    for (const std::string_view home : {"$HOME", "${HOME}"})
      if (word == home || word.starts_with(std::string(home) + "/"))
        path = "~" + path.substr(home.size());
    if (path.find_first_of("$`") != path.npos) return perhaps_;
    while (path.ends_with('/') || path.ends_with("/*")) path.pop_back();
    if (path.empty()) return word.starts_with('/');
    if (path == "*") path = ".";
    // ".cache/p*" removes what begins so, and "*.whl" nothing of a cache.
    const std::size_t pattern = path.find_first_of("*?[");
    if (pattern != path.npos && !perhaps_) return false;
    if (pattern != path.npos && (pattern == 0 || path[pattern - 1] == '/') &&
        path[pattern] == '*' && pattern + 1 < path.size() && path[pattern + 1] != '/')
      return false;
    path.resize(std::min(pattern, path.size()));
    if (path.starts_with('~') && path != "~" && !path.starts_with("~/")) return perhaps_;
    const std::string full = absolute_path(below, path, step_.home);
    if (full.empty()) {
      if (!perhaps_) return false;
      if (path.starts_with('~')) path.erase(0, 1);
      return path.empty() || path == "." || is_part(path);
    }
    if (cache_.directory.empty()) return perhaps_ && full.contains("cache");
    // What poetry downloads lies in a directory of its own.
    return lies_in(cache_.directory, full) ||
           full == fmt::format("{}/artifacts", cache_.directory) ||
           (perhaps_ && (lies_in(full, cache_.directory) ||
                         (pattern != word.npos && cache_.directory.starts_with(full))));
  }

  const Step& step_;
  const ToolCache& cache_;
  bool perhaps_;
};

}  // namespace

std::size_t emptied_at(const Step& step, const ToolCache& cache, Emptied how) {
  const Instruction& run = *step.instruction;
  const auto reached = how == Emptied::kSurely ? surely_reached(run.commands) : std::vector<bool>();
  return std::min(Emptying(step, cache, how).last_of(commands_of(run), reached).value_or(0),
                  run.span.end);
}

bool may_empty(const std::vector<StepCommand>& script, const Step& step, const ToolCache& cache) {
  return Emptying(step, cache, Emptied::kPerhaps).last_of(script, {}).has_value();
}

std::vector<std::string_view> removed_words(const std::vector<StepCommand>& commands,
                                            std::size_t at) {
  Words out;
  const StepCommand& command = commands[at];
  if (command.program == "find") {
    const Found found = found_by(commands, at);
    if (found.removed) out = found.starts;
  } else if (command.program == "rm") {
    for (const Argument& word : command.arguments) out.emplace_back(word.text);
  }
  return out;
}

}  // namespace flense::lint
