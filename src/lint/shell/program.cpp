#include <algorithm>
#include <array>

#include "lint/shell/shell.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

std::string_view without_folder(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

struct Wrapper {
  std::string_view name;
  std::string_view with_value;            ///< letters of options that take the next word
  std::string_view long_with_value = {};  ///< long ones, blanks around each
  bool assignments = false;               ///< NAME=value may follow
  bool mask = false;                      ///< a number of its own may follow
};

constexpr std::array kWrappers = {
    Wrapper{"sudo", "CDghpRrTtUu", " --user --group --chdir --host --prompt --chroot ", true},
    Wrapper{"env", "uCS", " --unset --chdir ", true},
    Wrapper{"exec", "a"},
    Wrapper{"time", "fo", " --format --output "},
    Wrapper{"nice", "n", " --adjustment "},
    Wrapper{"ionice", "cn", " --class --classdata "},
    Wrapper{"taskset", "c", " --cpu-list ", false, true},
    Wrapper{"command", ""},
};

bool is_assignment(std::string_view word) {
  const std::size_t equals = word.find('=');
  return equals != word.npos && equals > 0 &&
         std::ranges::all_of(word.substr(0, equals),
                             [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

}  // namespace

Program program_of(const ShellCommand& command) {
  std::size_t at = 0;
  while (at < command.words.size()) {
    const std::string_view name = without_folder(command.words[at].text);
    const auto wrapper = std::ranges::find(kWrappers, name, &Wrapper::name);
    if (wrapper == kWrappers.end() || at + 1 == command.words.size())
      return {std::string(name), at};
    std::size_t next = at + 1;
    for (; next < command.words.size(); ++next) {
      const std::string_view word = command.words[next].text;
      if (word == "--") {
        ++next;
        break;
      }
      if (wrapper->assignments && is_assignment(word)) continue;
      if (wrapper->mask && next == at + 1 && !word.empty() && is_digit(word.front())) continue;
      if (!word.starts_with('-') || word == "-") break;
      const bool takes_value =
          word.starts_with("--")
              ? wrapper->long_with_value.contains(std::string(" ").append(word) + " ")
              : wrapper->with_value.contains(word.back());
      // env -S holds the whole command in one word.
      if (takes_value) ++next;
    }
    // `command -v NAME` is only a query.
    if (name == "command" && next > at + 1) return {std::string(name), at};
    if (next >= command.words.size()) return {std::string(name), at};
    at = next;
  }
  return {};
}

bool is_shell(std::string_view program) {
  constexpr std::array<std::string_view, 6> kShells = {"sh", "bash", "dash", "ash", "zsh", "ksh"};
  return std::ranges::find(kShells, without_folder(program)) != kShells.end();
}

}  // namespace flense::lint
