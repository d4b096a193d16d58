#include "lint/dockerfile/flags.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

std::optional<unsigned> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (!all_digits(text)) return std::nullopt;
  unsigned out = 0;
  for (const char c : text) {
    out = out * 10 + static_cast<unsigned>(c - '0');
    if (out > 65535) return std::nullopt;
  }
  return out;
}

std::optional<std::pair<unsigned, unsigned>> port_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = number(text.substr(0, dash));
  if (!first) return std::nullopt;
  if (dash == text.npos) return std::pair{*first, *first};
  const auto last = number(text.substr(dash + 1));
  if (!last || *last < *first) return std::nullopt;
  return std::pair{*first, *last};
}

bool is_ipv4(std::string_view text) {
  int parts = 0;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    const auto value = number(part);
    if (!value || *value > 255 || part.size() > 3 || (part.size() > 1 && part.front() == '0'))
      return false;
    ++parts;
    if (dot == text.npos) return parts == 4;
    text.remove_prefix(dot + 1);
  }
}

bool is_ipv6(std::string_view text) {
  return text.contains(':') && std::ranges::all_of(text, [](char c) {
           return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f') || c == ':' || c == '.';
         });
}

}  // namespace

std::string port_problem(std::string_view port) {
  std::vector<std::string_view> parts;
  for (std::string_view rest = port;;) {
    const std::size_t colon = rest.find(':');
    parts.push_back(rest.substr(0, colon));
    if (colon == rest.npos) break;
    rest.remove_prefix(colon + 1);
  }
  std::string_view container = parts.back();
  const std::size_t slash = container.find('/');
  const std::string protocol =
      slash == container.npos ? "tcp" : to_lower(container.substr(slash + 1));
  container = container.substr(0, slash);
  if (!protocol.empty() && protocol != "tcp" && protocol != "udp" && protocol != "sctp")
    return fmt::format("{}: the protocol is tcp, udp or sctp", port);
  const auto inner = port_range(container);
  if (!inner) return fmt::format("{} is not a port", port);
  if (parts.size() > 2) {
    std::string_view address =
        port.substr(0, port.size() - parts.back().size() - parts[parts.size() - 2].size() - 2);
    if (address.starts_with('[') && address.ends_with(']'))
      address = address.substr(1, address.size() - 2);
    if (!address.empty() && !is_ipv4(address) && !is_ipv6(address))
      return fmt::format("{}: {} is not an address", port, address);
  }
  if (parts.size() > 1 && !parts[parts.size() - 2].empty()) {
    const auto outer = port_range(parts[parts.size() - 2]);
    if (!outer) return fmt::format("{} is not a port", port);
    if (inner->first != inner->second &&
        inner->second - inner->first != outer->second - outer->first)
      return fmt::format("{}: the two ranges differ in length", port);
  }
  return {};
}

std::string signal_problem(std::string_view signal) {
  constexpr std::string_view kNames[] = {
      "ABRT", "ALRM",   "BUS",  "CHLD",   "CLD",   "CONT", "FPE",  "HUP",   "ILL",
      "INT",  "IO",     "IOT",  "KILL",   "PIPE",  "POLL", "PROF", "PWR",   "QUIT",
      "SEGV", "STKFLT", "STOP", "SYS",    "TERM",  "TRAP", "TSTP", "TTIN",  "TTOU",
      "URG",  "USR1",   "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX"};
  const std::string why = fmt::format("{} is not a signal", signal);
  std::string_view digits = signal;
  if (digits.starts_with('-') || digits.starts_with('+')) digits.remove_prefix(1);
  if (all_digits(digits)) {
    const bool zero = std::ranges::all_of(digits, [](char c) { return c == '0'; });
    return zero ? why : std::string();
  }
  std::string name = to_upper(signal);
  if (name.starts_with("SIG")) name = name.substr(3);
  if (std::ranges::find(kNames, name) != std::end(kNames)) return {};
  const bool up = name.starts_with("RTMIN+"), down = name.starts_with("RTMAX-");
  if (!up && !down) return why;
  const auto offset = number(std::string_view(name).substr(6));
  const bool fine = offset && name[6] != '0' && name[6] != '+' && *offset <= (up ? 15U : 14U);
  return fine ? std::string() : why;
}

std::string platform_problem(std::string_view platform) {
  constexpr std::string_view kSystems[] = {
      "aix",   "android", "darwin", "dragonfly", "freebsd", "hurd",    "illumos", "ios", "js",
      "linux", "nacl",    "netbsd", "openbsd",   "plan9",   "solaris", "windows", "zos", "macos"};
  constexpr std::string_view kArchitectures[] = {
      "386",     "amd64",   "amd64p32", "arm",    "armbe",  "arm64",    "arm64be",   "ppc64",
      "ppc64le", "loong64", "mips",     "mipsle", "mips64", "mips64le", "mips64p32", "mips64p32le",
      "ppc",     "riscv",   "riscv64",  "s390",   "s390x",  "sparc",    "sparc64",   "wasm",
      "x86_64",  "x86-64",  "aarch64",  "armhf",  "armel",  "i386"};
  std::vector<std::string_view> parts;
  for (std::string_view rest = platform;;) {
    const std::size_t slash = rest.find('/');
    parts.push_back(rest.substr(0, slash));
    if (slash == rest.npos) break;
    rest.remove_prefix(slash + 1);
  }
  const auto valid = [](std::string_view part) {
    return !part.empty() && std::ranges::all_of(part, [](char c) {
      return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
    });
  };
  std::string_view system = parts.front();
  // os(version) of Windows.
  if (const std::size_t open = system.find('('); open != system.npos && system.ends_with(')'))
    system = system.substr(0, open);
  if (!valid(system) || !std::ranges::all_of(parts.begin() + 1, parts.end(), valid))
    return fmt::format("{} is not a platform such as linux/amd64", platform);
  if (parts.size() > 3) return fmt::format("{} has more than three parts", platform);
  if (parts.size() > 1) return {};
  const std::string name = to_lower(system);
  if (std::ranges::find(kSystems, name) != std::end(kSystems) ||
      std::ranges::find(kArchitectures, name) != std::end(kArchitectures))
    return {};
  return fmt::format("{} is neither an operating system nor an architecture", platform);
}

}  // namespace flense::lint
