#include "knowledge/gpus.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/ascii.h"
#include "knowledge/spelling.h"
#include "knowledge/table_rows.h"

namespace flense::knowledge {
namespace {

using ArchitectureList = std::vector<std::string>;

std::vector<NamedGpus> named_lists(const text::Json& section, std::string_view key) {
  std::vector<NamedGpus> out;
  for (const text::Json& row : section["rows"].items())
    out.push_back({text_at(row, key), texts_at(row, "architectures")});
  return out;
}

/// "sm_90a", "compute_90", "90", "9.0", "10.3" -> number and suffix ("90", "a").
struct CudaWord {
  std::string number;
  char suffix = 0;
};

std::optional<CudaWord> cuda_word(std::string_view word) {
  const std::string text = to_lower(word);
  std::string_view rest = text;
  for (std::string_view prefix : {"compute_", "sm_", "sm", "cc"}) {
    if (!rest.starts_with(prefix)) continue;
    rest.remove_prefix(prefix.size());
    break;
  }
  CudaWord out;
  if (!rest.empty() && (rest.back() == 'a' || rest.back() == 'f')) {
    out.suffix = rest.back();
    rest.remove_suffix(1);
  }
  if (const auto dot = rest.find('.'); dot != std::string_view::npos) {
    const std::string_view major = rest.substr(0, dot);
    const std::string_view minor = rest.substr(dot + 1);
    if (!all_digits(major) || !all_digits(minor) || minor.size() != 1) return std::nullopt;
    out.number = std::string(major) + std::string(minor);
  } else {
    out.number = rest;
  }
  if (!all_digits(out.number) || out.number.size() < 2 || out.number.size() > 3 ||
      out.number[0] == '0')
    return std::nullopt;
  return out;
}

std::string dotted(std::string_view number) {
  return fmt::format("{}.{}", number.substr(0, number.size() - 1),
                     number.substr(number.size() - 1));
}

unsigned to_unsigned(std::string_view digits) {
  unsigned value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

/// Numbers above every known one are taken as they are: a GPU newer than the table.
bool is_newer_than_table(const Gpus& gpus, std::string_view number) {
  unsigned latest = 0;
  for (const std::string& architecture : gpus.architectures)
    if (const auto known = cuda_word(architecture))
      latest = std::max(latest, to_unsigned(known->number));
  constexpr unsigned kBeyondBelief = 300;  // "409" is a slip of the hand
  const unsigned value = to_unsigned(number);
  return value > latest && value < kBeyondBelief;
}

std::optional<ArchitectureList> resolve_cuda(const Gpus& gpus, const CudaWord& word) {
  if (word.suffix == 'f') {
    for (const NamedGpus& family : gpus.families)
      if (family.name == word.number + "f") return family.architectures;
  }
  const std::string architecture = dotted(word.number);
  const std::string_view major = std::string_view(architecture).substr(0, architecture.find('.'));
  if (!gpus.knows(architecture) && !gpus.growing_majors.contains(major) &&
      !is_newer_than_table(gpus, word.number))
    return std::nullopt;
  return ArchitectureList{architecture};
}

/// Removes one word that product names carry without changing the architecture: a brand in front,
/// a form factor or memory size behind. False when there is none.
bool strip_decoration(std::string& name) {
  constexpr std::array<std::string_view, 7> kBrands = {"nvidia",   "geforce", "tesla", "amd",
                                                       "instinct", "radeon",  "drive"};
  constexpr std::array<std::string_view, 16> kSuffixes = {
      "sxm",  "sxm2", "sxm3",  "sxm4",  "sxm5",  "pcie", "pcle",   "nvl",
      "hbm2", "hbm3", "hbm2e", "hbm3e", "super", "oam",  "laptop", "gpu"};
  for (std::string_view brand : kBrands) {
    if (!name.starts_with(brand) || name.size() == brand.size()) continue;
    name.erase(0, brand.size());
    return true;
  }
  for (std::string_view suffix : kSuffixes) {
    if (!name.ends_with(suffix) || name.size() == suffix.size()) continue;
    name.erase(name.size() - suffix.size());
    return true;
  }
  return false;
}

/// "a10080gb" -> "a100": each count of digits before "gb" is tried, since they run together.
const GpuProduct* find_without_memory(const Gpus& gpus, std::string_view name) {
  if (!name.ends_with("gb")) return nullptr;
  name.remove_suffix(2);
  for (int digits = 0; digits < 3 && !name.empty() && all_digits(name.substr(name.size() - 1));
       ++digits) {
    name.remove_suffix(1);
    if (const GpuProduct* product = gpus.named(name)) return product;
    std::string stripped(name);
    while (strip_decoration(stripped))
      if (const GpuProduct* product = gpus.named(stripped)) return product;
  }
  return nullptr;
}

const GpuProduct* find_product_as_typed(const Gpus& gpus, std::string name) {
  do {
    if (const GpuProduct* product = gpus.named(name)) return product;
    if (const GpuProduct* product = find_without_memory(gpus, name)) return product;
  } while (strip_decoration(name));
  return nullptr;
}

/// "gfx942", or a family as AMD's packages write it: "gfx11xx", "gfx94X".
std::optional<ArchitectureList> resolve_amd(const Gpus& gpus, std::string_view word) {
  constexpr std::string_view kGfx = "gfx";
  const std::string name = plain_spelling(word.substr(0, word.find(':')));
  if (!name.starts_with(kGfx)) return std::nullopt;
  ArchitectureList out;
  for (const std::string& known : gpus.architectures)
    if (known.starts_with(kGfx) &&
        std::ranges::equal(std::string_view(name).substr(kGfx.size()),
                           std::string_view(known).substr(kGfx.size()),
                           [](char open, char digit) { return open == digit || open == 'x'; }))
      out.push_back(known);
  if (out.empty()) return std::nullopt;
  return out;
}

std::vector<std::string> all_names(const Gpus& gpus) {
  std::vector<std::string> names;
  for (const GpuProduct& product : gpus.products) {
    names.push_back(product.name);
    names.insert(names.end(), product.aliases.begin(), product.aliases.end());
  }
  for (const NamedGpus& preset : gpus.presets) names.push_back(preset.name);
  for (const std::string& architecture : gpus.architectures)
    names.push_back(architecture.starts_with("gfx") ? architecture
                                                    : "sm" + plain_spelling(architecture));
  return names;
}

}  // namespace

Gpus Gpus::read(const TableSet& tables) {
  const text::Json& table = tables.table("gpu_arch");
  Gpus out;
  for (const text::Json& row : table["products"]["rows"].items())
    out.products.push_back({text_at(row, "name"), text_at(row, "display"),
                            text_at(row, "architecture"), text_at(row, "vendor"),
                            texts_at(row, "aliases"), text_at(row, "cpu")});
  out.presets = named_lists(table["presets"], "name");
  out.families = named_lists(table["families"], "code");
  for (const text::Json& row : table["architectures"]["rows"].items()) {
    const std::string& name = out.architectures.emplace_back(text_at(row, "architecture"));
    if (text_at(row, "vendor") == "nvidia" && text_at(row, "last_cuda").empty())
      out.growing_majors.insert(name.substr(0, name.find('.')));
  }
  return out;
}

const GpuProduct* Gpus::named(std::string_view name) const {
  for (const GpuProduct& product : products)
    if (product.name == name || std::ranges::find(product.aliases, name) != product.aliases.end())
      return &product;
  return nullptr;
}

bool Gpus::knows(std::string_view architecture) const {
  return std::ranges::find(architectures, architecture) != architectures.end();
}

Result<std::vector<std::string>> Gpus::resolve(std::string_view word) const {
  const std::string name = plain_spelling(word);
  if (name.empty()) return fail(Code::kUsage, "empty GPU name");
  if (const GpuProduct* product = find_product_as_typed(*this, name))
    return ArchitectureList{product->architecture};
  for (const NamedGpus& preset : presets)
    if (preset.name == name) return preset.architectures;
  if (const auto cuda = cuda_word(word)) {
    if (auto known = resolve_cuda(*this, *cuda)) return *std::move(known);
  }
  if (auto known = resolve_amd(*this, word)) return *std::move(known);

  std::vector<std::string> near = near_matches(name, all_names(*this), 3);
  for (std::string& match : near)
    if (match.starts_with("sm") && all_digits(std::string_view(match).substr(2)))
      match.insert(2, "_");
  return fail(Code::kUsage, "'{}' is no GPU or architecture that flense knows", word)
      .hint(near.empty() ? "name an architecture (sm_90, gfx942) or a product (h100, mi300x)"
                         : fmt::format("did you mean {}?", fmt::join(near, " or ")));
}

}  // namespace flense::knowledge
