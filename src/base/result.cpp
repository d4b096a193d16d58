#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace flense {

Failure system_error(int errno_value, std::string what) {
  what += ": ";
  what += std::generic_category().message(errno_value);
  Error error{Code::kEnvironment, std::move(what), {}, {}, {}};
  if (errno_value == ENOSPC)
    error.hint = "free some space, or name another directory with --tmpdir or -o";
  return Failure(std::move(error));
}

std::string render(const Error& error) {
  std::string out;
  const auto add = [&out](std::string_view label, std::string_view text) {
    out += label;
    for (const char c : text) {
      out += c;
      // What follows is not our text: a name could make it look like a hint.
      if (c == '\n') out += "    ";
    }
    out += '\n';
  };
  add("error: ", error.message);
  for (const std::string& line : error.context) add("  while ", line);
  if (!error.hint.empty()) add("hint: ", error.hint);
  return out;
}

int exit_status(Code code) {
  switch (code) {
    case Code::kUsage:
      return 2;
    case Code::kBadInput:
      return 3;
    case Code::kEnvironment:
      return 4;
    case Code::kInternal:
      return 70;
    case Code::kInterrupted:
      return 130;
  }
  return 70;
}

}  // namespace flense
