#include "lint/rules/set_texts.h"

#include <algorithm>

#include "base/ascii.h"
#include "lint/facts/near_hosts.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// What the commands of a sed script write: the new texts of s, and those of a, i and c.
std::string written_by_sed(std::string_view script) {
  if (script.starts_with("--expression="))
    script.remove_prefix(13);
  else if (script.starts_with("-e"))
    script.remove_prefix(2);
  else if (script.starts_with('-'))
    return {};
  std::string out;
  std::size_t at = 0;
  // Up to the next one that is not escaped, and behind it.
  const auto part = [&](char end) {
    const std::size_t begin = at;
    while (at < script.size() && script[at] != end) at += script[at] == '\\' ? 2U : 1U;
    at = std::min(at, script.size());
    const std::string_view text = script.substr(begin, at - begin);
    at = std::min(at + 1, script.size());
    return text;
  };
  while (at < script.size()) {
    const char c = script[at++];
    if (c == '/') {
      part('/');
    } else if (c == '\\' && at < script.size()) {
      part(script[at++]);
    } else if ((c == 's' || c == 'y') && at < script.size()) {
      const char end = script[at++];
      part(end);
      const std::string_view text = part(end);
      if (c == 's') out.append(text).push_back('\n');
      while (at < script.size() && is_alphanumeric(script[at])) ++at;
    } else if (c == 'a' || c == 'i' || c == 'c') {
      const std::size_t end = std::min(script.find('\n', at), script.size());
      std::string_view text = script.substr(at, end - at);
      text.remove_prefix(std::min(text.find_first_not_of("\\ \t"), text.size()));
      out.append(text).push_back('\n');
      at = end;
    }
  }
  return out;
}

/// Lines end as printf writes their ends too.
std::string without_comments(std::string_view text) {
  std::string out;
  for (std::size_t at = 0, begin = 0; at <= text.size(); ++at) {
    const bool written = text.substr(at).starts_with("\\n");
    if (at < text.size() && text[at] != '\n' && !written) continue;
    const std::string_view line = trim_space(text.substr(begin, at - begin));
    if (!starts_with_any(line, {"#", "//"})) out.append(line).push_back('\n');
    at += written ? 1U : 0U;
    begin = at + 1;
  }
  return out;
}

}  // namespace

std::string set_text(const ShellCommand& command, std::string_view word) {
  const std::string program = program_of(command).name;
  if (is_one_of(program, {"grep", "egrep", "fgrep", "git", "test", "[", "[["})) return {};
  // In a group the group's output may go to a file.
  if (is_one_of(program, {"echo", "printf"}) && command.depth == 0 &&
      command.redirections.empty() && command.joined_by != "|")
    return {};
  return without_comments(program == "sed" || program == "perl" ? written_by_sed(word)
                                                                : std::string(word));
}

bool names_near_repositories(const ShellCommand& command) {
  bool near = false;
  for (const ShellWord& word : command.words) {
    const std::string_view text = word.text;
    near = near || holds(text, "file:/") || holds(text, "copy:/");
    for (std::size_t at = text.find("://"); at != text.npos; at = text.find("://", at + 3)) {
      std::size_t begin = at;
      while (begin > 0 && is_letter(text[begin - 1])) --begin;
      const std::string_view scheme = text.substr(begin, at - begin);
      if (is_one_of(scheme, {"file", "copy"}) || text.substr(0, begin).ends_with("gpgkey="))
        continue;
      const std::string_view url = text.substr(begin);
      if (!is_near(url.substr(0, url.find_first_of(" \t\n\"'\\,")))) return false;
      near = true;
    }
  }
  return near;
}

}  // namespace flense::lint
