#include "host/text_formats.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"

namespace flense::host {

namespace {

constexpr std::size_t kMaxPairs = 16384;

template <class Fn>
void for_each_line(std::string_view text, Fn fn) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    fn(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

Pairs split_lines(std::string_view text, char between) {
  Pairs out;
  for_each_line(text, [&](std::string_view line) {
    const std::size_t at = line.find(between);
    if (at == std::string_view::npos || at == 0 || out.size() >= kMaxPairs) return;
    // The flags of cpuinfo are long, so they are not truncated.
    out.emplace_back(clean(line.substr(0, at)), trim(line.substr(at + 1)));
  });
  return out;
}

std::string_view unquoted(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front())
    return text.substr(1, text.size() - 2);
  return text;
}

/// A stanza's value: "Version: 1.2" in dpkg's file, "V:1.2" in apk's.
std::optional<std::string> stanza_version(std::string_view text, std::string_view name_key,
                                          std::string_view package, std::string_view version_key,
                                          std::string_view installed_line) {
  bool here = false, installed = installed_line.empty();
  std::string version;
  std::optional<std::string> found;
  const auto finish = [&] {
    if (here && installed && !version.empty() && !found) found = version;
    here = false;
    installed = installed_line.empty();
    version.clear();
  };
  for_each_line(text, [&](std::string_view line) {
    if (found) return;
    if (trim(line).empty()) {
      finish();
    } else if (line.starts_with(name_key)) {
      here = trim(line.substr(name_key.size())) == package;
    } else if (line.starts_with(version_key)) {
      version = clean(line.substr(version_key.size()));
    } else if (!installed_line.empty() && trim(line) == installed_line) {
      installed = true;
    }
  });
  finish();
  return found;
}

}  // namespace

std::string clean(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : trim(text)) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) continue;
    if (out.size() == most) break;
    out += c;
  }
  return out;
}

Pairs colon_pairs(std::string_view text) {
  return split_lines(text, ':');
}

Pairs blank_pairs(std::string_view text) {
  return split_lines(text, ' ');
}

Pairs assignments(std::string_view text) {
  Pairs out;
  for (auto& [name, value] : split_lines(text, '='))
    if (!name.starts_with('#')) out.emplace_back(name, clean(unquoted(value)));
  return out;
}

std::string_view value_of(const Pairs& pairs, std::string_view name) {
  const auto at =
      std::find_if(pairs.begin(), pairs.end(), [&](const auto& one) { return one.first == name; });
  return at == pairs.end() ? std::string_view() : std::string_view(at->second);
}

bool is_driver_version(std::string_view text) {
  std::size_t parts = 0, digits = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && is_digit(text[i])) {
      if (++digits > 5) return false;
      continue;
    }
    // The 1.1 in Tegra's and WSL's libcuda.so.1.1 is not a driver version.
    if (digits == 0 || (parts == 0 && digits != 3)) return false;
    if (i < text.size() && text[i] != '.') return false;
    ++parts;
    digits = 0;
  }
  return parts == 2 || parts == 3;
}

std::optional<NvidiaModule> parse_nvidia_version(std::string_view text) {
  constexpr std::string_view kLine = "NVRM version:";
  std::optional<NvidiaModule> out;
  for_each_line(text, [&](std::string_view line) {
    if (out || !line.starts_with(kLine)) return;
    NvidiaModule module;
    module.open = line.find("Open Kernel Module") != std::string_view::npos;
    // The version is the first word that looks like one; dates and build names follow it.
    std::string_view rest = line.substr(kLine.size());
    while (!(rest = trim(rest)).empty()) {
      const std::size_t end = rest.find_first_of(" \t");
      const std::string_view word = rest.substr(0, end);
      if (is_driver_version(word)) {
        module.version = word;
        out = module;
        return;
      }
      rest.remove_prefix(word.size());
    }
  });
  return out;
}

std::optional<std::string> parse_tegra_release(std::string_view text) {
  const std::size_t at = text.find("# R");
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = text.substr(at + 3);
  const std::string_view major = rest.substr(0, rest.find(' '));
  constexpr std::string_view kRevision = "REVISION: ";
  const std::size_t revision = rest.find(kRevision);
  if (!parse_number(major) || major.size() > 3 || revision == std::string_view::npos)
    return std::nullopt;
  rest = rest.substr(revision + kRevision.size());
  const std::string minor = clean(rest.substr(0, rest.find_first_of(",\n")));
  if (minor.empty() || minor.size() > 16) return std::nullopt;
  return fmt::format("{}.{}", major, minor);
}

std::optional<std::string> tegra_architecture(std::string_view compatible) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kChips = {
      {{"nvidia,tegra264", "11.0"},
       {"nvidia,tegra234", "8.7"},
       {"nvidia,tegra194", "7.2"},
       {"nvidia,tegra186", "6.2"},
       {"nvidia,tegra210", "5.3"}}};
  while (!compatible.empty()) {
    const std::size_t end = compatible.find('\0');
    for (const auto& [chip, architecture] : kChips)
      if (compatible.substr(0, end) == chip) return std::string(architecture);
    if (end == std::string_view::npos) break;
    compatible.remove_prefix(end + 1);
  }
  return std::nullopt;
}

std::optional<std::string> gfx_name(std::uint64_t version) {
  const std::uint64_t major = version / 10000, minor = version / 100 % 100, step = version % 100;
  // Minor and step are one hexadecimal digit each in the name.
  if (major == 0 || major > 99 || minor > 15 || step > 15) return std::nullopt;
  return fmt::format("gfx{}{:x}{:x}", major, minor, step);
}

std::string pci_address_of_location(std::uint64_t domain, std::uint64_t location) {
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", domain & 0xffffffffU, (location >> 8) & 0xff,
                     (location >> 3) & 0x1f, location & 0x7);
}

std::optional<std::string> pci_address(std::string_view text) {
  std::string out;
  for (const char c : trim(text)) out += c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
  const std::size_t domain = out.find(':');
  if (domain < 4 || domain > 8 || out.size() != domain + 8) return std::nullopt;
  constexpr std::string_view kShape = ":xx:xx.x";
  for (std::size_t i = 0; i < out.size(); ++i) {
    const char wanted = i < domain ? 'x' : kShape[i - domain];
    const bool hex = is_digit(out[i]) || (out[i] >= 'a' && out[i] <= 'f');
    if (wanted == 'x' ? !hex : out[i] != wanted) return std::nullopt;
  }
  return out;
}

std::optional<std::string> link_speed(std::string_view text) {
  const std::string line = clean(text);
  const std::size_t unit = line.find(" GT/s");
  if (unit == std::string::npos || unit == 0 || unit > 6 || !is_digit(line.front()))
    return std::nullopt;
  return line.substr(0, unit) + " GT/s";
}

std::optional<std::string> cpu_level(const std::vector<std::string>& flags) {
  // Names as in /proc/cpuinfo; the kernel shows avx only where it saves its registers, so the
  // psABI's osxsave needs no entry of its own.
  const std::array<std::vector<std::string_view>, 4> levels = {
      {{"cmov", "cx8", "fpu", "fxsr", "mmx", "syscall", "sse", "sse2", "lm"},
       {"cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"},
       {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"},
       {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}}};
  std::size_t reached = 0;
  for (const auto& level : levels) {
    const bool all = std::all_of(level.begin(), level.end(), [&](std::string_view flag) {
      return std::find(flags.begin(), flags.end(), flag) != flags.end();
    });
    if (!all) break;
    ++reached;
  }
  if (reached == 0) return std::nullopt;
  return fmt::format("x86-64-v{}", reached);
}

std::string glibc_version(std::string_view bytes) {
  const std::size_t at = bytes.find("GNU C Library");
  if (at == std::string_view::npos) return {};
  constexpr std::string_view kRelease = "release version ";
  const std::string_view line = bytes.substr(at, 200);
  const std::size_t release = line.find(kRelease);
  if (release == std::string_view::npos) return {};
  std::string_view version = line.substr(release + kRelease.size());
  version = version.substr(0, version.find_first_not_of("0123456789."));
  while (version.ends_with('.')) version.remove_suffix(1);
  return std::string(version);
}

std::optional<std::string> dpkg_version(std::string_view status, std::string_view package) {
  return stanza_version(status, "Package:", package, "Version:", "Status: install ok installed");
}

std::optional<std::string> apk_version(std::string_view installed, std::string_view package) {
  return stanza_version(installed, "P:", package, "V:", "");
}

std::optional<std::string> toml_value(std::string_view text, std::string_view key) {
  std::optional<std::string> found;
  for_each_line(text, [&](std::string_view line) {
    line = trim(line);
    if (!line.starts_with(key)) return;
    line = trim(line.substr(key.size()));
    if (!line.starts_with('=')) return;
    line = trim(line.substr(1));
    if (!line.starts_with('"') && !line.starts_with('\'')) line = line.substr(0, line.find('#'));
    found = clean(unquoted(line));
  });
  return found;
}

bool mentions(std::string_view text, std::string_view word) {
  bool found = false;
  for_each_line(text, [&](std::string_view line) {
    if (!trim(line).starts_with('#')) found |= line.find(word) != std::string_view::npos;
  });
  return found;
}

std::optional<std::uint64_t> memory_in_name(std::string_view model) {
  // The 480GB of a GH200 belong to its processor.
  if (model.find("GH200") != std::string_view::npos) return std::nullopt;
  for (std::size_t at = model.find("GB"); at != std::string_view::npos;
       at = model.find("GB", at + 2)) {
    std::size_t begin = at;
    while (begin > 0 && is_digit(model[begin - 1])) --begin;
    const auto number = parse_number(model.substr(begin, at - begin));
    if (at - begin <= 4 && number && *number > 0) return *number << 30;
  }
  return std::nullopt;
}

}  // namespace flense::host
