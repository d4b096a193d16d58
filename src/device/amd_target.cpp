#include "device/amd_target.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <vector>

#include "base/ascii.h"

namespace flense::device {
namespace {

constexpr std::string_view kUnknown = "unknown";

struct Machine {
  std::uint32_t number;
  std::string_view name;
};

/// EF_AMDGPU_MACH, bits 0 to 7 of e_flags. Source: LLVM AMDGPUUsage, "AMDGPU EF_AMDGPU_MACH
/// Values".
constexpr auto kMachines = std::to_array<Machine>({
    {0x20, "gfx600"},          {0x21, "gfx601"},        {0x22, "gfx700"},
    {0x23, "gfx701"},          {0x24, "gfx702"},        {0x25, "gfx703"},
    {0x26, "gfx704"},          {0x28, "gfx801"},        {0x29, "gfx802"},
    {0x2a, "gfx803"},          {0x2b, "gfx810"},        {0x2c, "gfx900"},
    {0x2d, "gfx902"},          {0x2e, "gfx904"},        {0x2f, "gfx906"},
    {0x30, "gfx908"},          {0x31, "gfx909"},        {0x32, "gfx90c"},
    {0x33, "gfx1010"},         {0x34, "gfx1011"},       {0x35, "gfx1012"},
    {0x36, "gfx1030"},         {0x37, "gfx1031"},       {0x38, "gfx1032"},
    {0x39, "gfx1033"},         {0x3a, "gfx602"},        {0x3b, "gfx705"},
    {0x3c, "gfx805"},          {0x3d, "gfx1035"},       {0x3e, "gfx1034"},
    {0x3f, "gfx90a"},          {0x40, "gfx940"},        {0x41, "gfx1100"},
    {0x42, "gfx1013"},         {0x43, "gfx1150"},       {0x44, "gfx1103"},
    {0x45, "gfx1036"},         {0x46, "gfx1101"},       {0x47, "gfx1102"},
    {0x48, "gfx1200"},         {0x49, "gfx1250"},       {0x4a, "gfx1151"},
    {0x4b, "gfx941"},          {0x4c, "gfx942"},        {0x4e, "gfx1201"},
    {0x4f, "gfx950"},          {0x51, "gfx9-generic"},  {0x52, "gfx10-1-generic"},
    {0x53, "gfx10-3-generic"}, {0x54, "gfx11-generic"}, {0x55, "gfx1152"},
    {0x58, "gfx1153"},         {0x59, "gfx12-generic"}, {0x5f, "gfx9-4-generic"},
});

struct Generic {
  std::string_view name;
  std::array<std::string_view, 8> members;  ///< the rest is empty
};

/// LLVM AMDGPUUsage, "Generic Processors"; the same rows as data/rocm.json, which rules about
/// verdicts read.
constexpr auto kGenerics = std::to_array<Generic>({
    {"gfx9-generic", {"gfx900", "gfx902", "gfx904", "gfx906", "gfx909", "gfx90c"}},
    {"gfx9-4-generic", {"gfx940", "gfx941", "gfx942", "gfx950"}},
    {"gfx10-1-generic", {"gfx1010", "gfx1011", "gfx1012", "gfx1013"}},
    {"gfx10-3-generic",
     {"gfx1030", "gfx1031", "gfx1032", "gfx1033", "gfx1034", "gfx1035", "gfx1036"}},
    {"gfx11-generic",
     {"gfx1100", "gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1152", "gfx1153"}},
    {"gfx12-generic", {"gfx1200", "gfx1201"}},
});

std::span<const std::string_view> members_of(const Generic& row) {
  return {row.members.begin(), std::ranges::find(row.members, std::string_view())};
}

/// '+', '-', or 0 when the target does not speak of the feature.
char setting_of(std::string_view target, std::string_view feature) {
  const std::size_t at = target.find(fmt::format(":{}", feature));
  const std::size_t sign = at + 1 + feature.size();
  return at == std::string_view::npos || sign >= target.size() ? '\0' : target[sign];
}

std::optional<std::string> hexadecimal_digit(std::string_view text) {
  if (text.size() == 1 && text[0] >= 'a' && text[0] <= 'f') return std::string(text);
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > 15) return std::nullopt;
  return fmt::format("{:x}", value);
}

bool is_feature(std::string_view word) {
  return word == "sramecc+" || word == "sramecc-" || word == "xnack+" || word == "xnack-";
}

bool is_processor(std::string_view word) {
  return word.size() > 5 && word.size() <= 32 && word.starts_with("gfx") &&
         std::ranges::all_of(word.substr(3), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
         });
}

/// Code object version 4 and later say "any" and "not supported" too; both are no suffix.
std::string_view setting(std::uint32_t bits) {
  return bits == 3 ? "+" : bits == 2 ? "-" : "";
}

}  // namespace

std::optional<std::string> canonical_amd_target(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t colon = text.find(':');
    words.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (words.size() > 3) return std::nullopt;
  }
  if (!is_processor(words.front())) return std::nullopt;
  if (!std::all_of(words.begin() + 1, words.end(), is_feature)) return std::nullopt;
  std::sort(words.begin() + 1, words.end());
  return fmt::format("{}", fmt::join(words, ":"));
}

std::string amd_target_of_entry(std::string_view id) {
  if (id.starts_with("host")) return {};
  // KIND-ARCH-VENDOR-OS-ENVIRONMENT-TARGET; older compilers leave the environment out.
  const std::size_t at = id.find("-gfx");
  if (at == std::string_view::npos) return std::string(kUnknown);
  return canonical_amd_target(id.substr(at + 1)).value_or(std::string(kUnknown));
}

std::optional<std::string> amd_target_of_code_object(const elf::File& file) {
  constexpr std::size_t kAbiVersionOffset = 8, kFlagsOffset = 48;
  if (file.machine() != EM_AMDGPU || file.bytes().size() < 64) return std::nullopt;
  const auto abi = load_le<std::uint8_t>(file.bytes(), kAbiVersionOffset);
  const auto flags = load_le<std::uint32_t>(file.bytes(), kFlagsOffset);
  const auto machine = std::ranges::find(kMachines, flags & 0xff, &Machine::number);
  if (machine == kMachines.end()) return std::string(kUnknown);
  std::string out(machine->name);
  // ELFABIVERSION_AMDGPU_HSA_V3 is 1: one bit for each feature, which is on when set.
  constexpr std::uint8_t kAbiV3 = 1;
  if (abi > kAbiV3) {
    if (const auto sign = setting(flags >> 10 & 3); !sign.empty())
      out += fmt::format(":sramecc{}", sign);
    if (const auto sign = setting(flags >> 8 & 3); !sign.empty())
      out += fmt::format(":xnack{}", sign);
  } else if (abi == kAbiV3) {
    if ((flags & 0x200) != 0) out += ":sramecc+";
    if ((flags & 0x100) != 0) out += ":xnack+";
  }
  return out;
}

std::vector<std::string> amd_generic_members(std::string_view processor) {
  const auto row = std::ranges::find(kGenerics, processor, &Generic::name);
  if (row == kGenerics.end()) return {};
  const auto members = members_of(*row);
  return {members.begin(), members.end()};
}

bool amd_code_runs_on(std::string_view code, std::string_view gpu) {
  const std::string_view built_for = code.substr(0, code.find(':'));
  const std::string_view has = gpu.substr(0, gpu.find(':'));
  if (built_for != has) {
    const auto row = std::ranges::find(kGenerics, built_for, &Generic::name);
    if (row == kGenerics.end() || !is_one_of(has, members_of(*row))) return false;
  }
  return std::ranges::all_of(std::array<std::string_view, 2>{"sramecc", "xnack"},
                             [&](std::string_view feature) {
                               const char wanted = setting_of(code, feature);
                               const char given = setting_of(gpu, feature);
                               return wanted == 0 || given == 0 || wanted == given;
                             });
}

std::string amd_target_of_override(std::string_view version) {
  const std::size_t first = version.find('.'), second = version.rfind('.');
  if (first == std::string_view::npos || first == second) return {};
  const std::string_view major = version.substr(0, first);
  const auto minor = hexadecimal_digit(version.substr(first + 1, second - first - 1));
  const auto step = hexadecimal_digit(version.substr(second + 1));
  const bool plain = !major.empty() && major.size() <= 2 &&
                     major.find_first_not_of("0123456789") == std::string_view::npos;
  return plain && minor && step ? fmt::format("gfx{}{}{}", major, *minor, *step) : std::string();
}

std::string_view amd_processor_at(std::string_view text) {
  std::string_view longest;
  for (const Machine& machine : kMachines)
    if (text.starts_with(machine.name) && machine.name.size() > longest.size())
      longest = machine.name;
  return longest;
}

}  // namespace flense::device
