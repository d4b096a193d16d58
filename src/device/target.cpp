#include "device/target.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/ascii.h"

namespace flense::device {
namespace {

constexpr unsigned kLeastNumber = 10;
constexpr unsigned kMostNumber = 999;

/// Compute capabilities of Jetson and DRIVE parts, whose cubins are not promised to be
/// interchangeable with those of discrete parts of the same major.
constexpr std::array<unsigned, 8> kEmbedded = {32, 53, 62, 72, 87, 101, 110, 111};

bool is_embedded(unsigned number) {
  return std::ranges::find(kEmbedded, number) != kEmbedded.end();
}

/// CUDA 13.0 renamed sm_101 to sm_110: the same silicon under two numbers.
bool is_renaming(unsigned code, unsigned gpu) {
  return (code == 101 && gpu == 110) || (code == 110 && gpu == 101);
}

/// Members of one family share the major and have at least the code's minor; 10.1 (Thor under its
/// first number) is a family of its own.
bool in_family(CudaArch code, CudaArch gpu) {
  if (code.major() != gpu.major() || gpu.minor() < code.minor()) return false;
  return (code.number == 101) == (gpu.number == 101);
}

std::optional<unsigned> short_number(std::string_view text) {
  unsigned value = 0;
  if (text.empty() || text.size() > 4 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string to_string(CudaArch arch, std::string_view prefix) {
  std::string_view suffix;
  if (arch.variant == CudaArch::Variant::kArchitecture) suffix = "a";
  if (arch.variant == CudaArch::Variant::kFamily) suffix = "f";
  return fmt::format("{}_{}{}", prefix, arch.number, suffix);
}

std::string Targets::text() const {
  std::vector<std::string> words;
  for (CudaArch arch : cuda) words.push_back(to_string(arch));
  words.insert(words.end(), amd.begin(), amd.end());
  return fmt::format("{}", fmt::join(words, ","));
}

bool cubin_runs_on(CudaArch code, CudaArch gpu) {
  if (is_renaming(code.number, gpu.number)) return true;
  switch (code.variant) {
    case CudaArch::Variant::kArchitecture:
      return code.number == gpu.number;
    case CudaArch::Variant::kFamily:
      return in_family(code, gpu);
    case CudaArch::Variant::kPlain:
      break;
  }
  return code.major() == gpu.major() && code.minor() <= gpu.minor();
}

bool ptx_compiles_for(CudaArch code, CudaArch gpu) {
  if (is_renaming(code.number, gpu.number)) return true;
  switch (code.variant) {
    case CudaArch::Variant::kArchitecture:
      return code.number == gpu.number;
    case CudaArch::Variant::kFamily:
      return in_family(code, gpu);
    case CudaArch::Variant::kPlain:
      break;
  }
  return code.number <= gpu.number;
}

bool cubin_surely_runs_on(CudaArch code, CudaArch gpu) {
  if (!cubin_runs_on(code, gpu) || is_renaming(code.number, gpu.number)) return false;
  return code.number == gpu.number || is_embedded(code.number) == is_embedded(gpu.number);
}

std::optional<CudaArch> parse_cuda_arch(std::string_view text) {
  const std::string word = to_lower(text);
  std::string_view rest = word;
  bool prefixed = false;
  for (std::string_view prefix : {"sm_", "compute_", "sm"}) {
    if (!rest.starts_with(prefix)) continue;
    rest.remove_prefix(prefix.size());
    prefixed = true;
    break;
  }
  if (!rest.empty() && (rest.back() == 'a' || rest.back() == 'f')) rest.remove_suffix(1);
  std::optional<unsigned> number;
  if (const auto dot = rest.find('.'); dot != std::string_view::npos) {
    const auto major = short_number(rest.substr(0, dot));
    const auto minor = short_number(rest.substr(dot + 1));
    if (prefixed || !major || !minor || *minor > 9) return std::nullopt;
    number = *major * 10 + *minor;
  } else {
    number = short_number(rest);
  }
  if (!number || *number < kLeastNumber || *number > kMostNumber) return std::nullopt;
  return CudaArch{*number, CudaArch::Variant::kPlain};
}

std::optional<std::string> parse_amd_arch(std::string_view text) {
  std::string word = to_lower(text.substr(0, text.find(':')));
  if (!word.starts_with("gfx") || word.size() < 6 || word.size() > 8) return std::nullopt;
  const std::string_view id = std::string_view(word).substr(3);
  const bool hexadecimal =
      std::ranges::all_of(id, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
  if (!hexadecimal || !is_digit(id[0])) return std::nullopt;
  return word;
}

Result<Targets> make_targets(const std::vector<std::string>& architectures) {
  Targets targets;
  for (const std::string& word : architectures) {
    if (auto arch = parse_cuda_arch(word)) {
      targets.cuda.push_back(*arch);
    } else if (auto id = parse_amd_arch(word)) {
      targets.amd.push_back(*id);
    } else {
      return fail(Code::kUsage,
                  "'{}' is not a GPU architecture (expected one like sm_90 or gfx942)", word);
    }
  }
  const auto canonical = [](auto& list) {
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
  };
  canonical(targets.cuda);
  canonical(targets.amd);
  return targets;
}

}  // namespace flense::device
