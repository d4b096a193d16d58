#include "lint/packages/filtered.h"

#include <algorithm>

#include "base/ascii.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// The names in a simple pattern, "torch" and "torchvision" of '^(torch|torchvision)=='; false: it
/// holds what may match anything.
bool take_names(std::string_view pattern, std::vector<std::string>& names) {
  constexpr std::string_view kPlain = "^$()|\\.*+=<>~!#/:@ ";
  std::string name;
  const auto end = [&] {
    while (name.ends_with('-')) name.pop_back();
    if (name.size() > 1) names.push_back(normalised_name(name));
    const bool known = name.size() != 1;  // a letter is in most names
    name.clear();
    return known;
  };
  for (const char c : pattern) {
    if (is_alphanumeric(c) || c == '-' || c == '_')
      name += c;
    else if (!kPlain.contains(c) || !end())
      return false;
  }
  return end() && !pattern.starts_with(".*");
}

/// What stands between the slashes of '/torch/d'; nullopt: sed does something else.
std::optional<std::string_view> deleted_by(std::string_view script) {
  if (script.size() < 4 || !script.starts_with('/') || !script.ends_with("/d")) return std::nullopt;
  const std::string_view inner = script.substr(1, script.size() - 3);
  std::string_view rest = inner;
  // "\/" is a slash of the pattern, a bare one its end.
  for (std::size_t at = rest.find('/'); at != rest.npos; at = rest.find('/', at + 1))
    if (at == 0 || rest[at - 1] != '\\') return std::nullopt;
  return inner;
}

struct Filter {
  std::vector<std::string> patterns;
  std::string source;  ///< empty: what the pipe hands over
  bool in_place = false;
};

/// Options, patterns and the file of grep -v and of sed '/…/d'; nullopt for others.
std::optional<Filter> filter_of(const ShellCommand& command) {
  const Program program = program_of(command);
  const bool grep = is_one_of(program.name, {"grep", "egrep", "fgrep"});
  const bool sed = program.name == "sed", cat = program.name == "cat";
  if (!grep && !sed && !cat) return std::nullopt;
  Filter out;
  bool inverted = false, given = cat;
  for (std::size_t at = program.first + 1; at < command.words.size(); ++at) {
    const std::string& text = command.words[at].text;
    if (command.words[at].dynamic) return std::nullopt;
    if (text == "-e" && at + 1 < command.words.size()) {
      out.patterns.push_back(command.words[++at].text);
      given = true;
    } else if (text.starts_with('-') && text.size() > 1) {
      const std::string_view known = grep ? "viEFwx" : sed ? "iEr" : "";
      if (text == "--invert-match")
        inverted = true;
      else if (text.find_first_not_of(known, 1) != text.npos)
        return std::nullopt;
      inverted = inverted || (grep && text.contains('v'));
      out.in_place = out.in_place || (sed && text.contains('i'));
    } else if (!given) {
      out.patterns.push_back(text);
      given = true;
    } else if (out.source.empty()) {
      out.source = text;
    } else {
      return std::nullopt;
    }
  }
  if (grep && !inverted) return std::nullopt;
  if (sed)
    for (std::string& script : out.patterns) {
      const auto inner = deleted_by(script);
      if (!inner) return std::nullopt;
      script = std::string(*inner);
    }
  return out;
}

/// The file that a command's output goes to; empty: none.
std::string_view target_of(const ShellCommand& command) {
  for (const ShellRedirection& one : command.redirections)
    if (is_one_of(one.op, {">", "1>", ">|"})) return one.target.text;
  return {};
}

bool is_same(std::string_view a, std::string_view b) {
  return file_name(a) == file_name(b);
}

/// The filters of the pipe that ends with commands[last].
std::optional<FilteredList> read_pipe(std::span<const ShellCommand> commands, std::size_t last) {
  FilteredList out;
  for (std::size_t at = last;; --at) {
    auto filter = filter_of(commands[at]);
    if (!filter) return std::nullopt;
    for (const std::string& pattern : filter->patterns)
      if (!take_names(pattern, out.left_out)) return std::nullopt;
    out.source = filter->source;
    if (!out.source.empty()) return out;
    if (at == 0 || commands[at - 1].joined_by != "|") return std::nullopt;
  }
}

}  // namespace

std::optional<FilteredList> filtered_list(std::span<const ShellCommand> commands,
                                          std::string_view written) {
  for (std::size_t at = commands.size(); at-- > 0;) {
    if (is_same(target_of(commands[at]), written)) return read_pipe(commands, at);
    const auto filter = filter_of(commands[at]);
    if (filter && filter->in_place && is_same(filter->source, written))
      return read_pipe(commands, at);
  }
  return std::nullopt;
}

PackageList surely_left(const PackageList& list, const std::vector<std::string>& left_out) {
  PackageList out = list;
  std::erase_if(out.packages, [&](const PackageRequest& one) {
    return std::ranges::any_of(left_out, [&](const std::string& part) {
      return one.name.contains(part) || one.url.contains(part);
    });
  });
  return out;
}

}  // namespace flense::lint
