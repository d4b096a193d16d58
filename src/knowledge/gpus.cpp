#include "knowledge/gpus.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/ascii.h"
#include "knowledge/spelling.h"
#include "knowledge/tables.h"
#include "text/json.h"

namespace flense::knowledge {
namespace {

using ArchitectureList = std::vector<std::string>;

struct NamedList {
  std::string name;
  ArchitectureList architectures;
};

/// data/gpu_arch.json as values. The text is our own; a unit test checks that it parses.
struct GpuTable {
  std::vector<GpuProduct> products;
  std::vector<NamedList> presets;
  std::vector<NamedList> families;
  ArchitectureList architectures;
};

ArchitectureList strings_of(const text::Json& list) {
  ArchitectureList out;
  for (const text::Json& item : list.items()) out.emplace_back(item.text());
  return out;
}

std::vector<NamedList> named_lists(const text::Json& section, std::string_view key) {
  std::vector<NamedList> out;
  for (const text::Json& row : section["rows"].items())
    out.push_back({std::string(row[key].text()), strings_of(row["architectures"])});
  return out;
}

GpuTable load_gpu_table() {
  GpuTable table;
  const auto json = text::parse_json(embedded_table("gpu_arch"), "data/gpu_arch.json");
  if (!json) return table;
  for (const text::Json& row : (*json)["products"]["rows"].items()) {
    GpuProduct product;
    product.name = row["name"].text();
    product.display = row["display"].text();
    product.architecture = row["architecture"].text();
    product.vendor = row["vendor"].text();
    product.aliases = strings_of(row["aliases"]);
    table.products.push_back(std::move(product));
  }
  table.presets = named_lists((*json)["presets"], "name");
  table.families = named_lists((*json)["families"], "code");
  for (const text::Json& row : (*json)["architectures"]["rows"].items())
    table.architectures.emplace_back(row["architecture"].text());
  return table;
}

const GpuTable& gpu_table() {
  static const GpuTable table = load_gpu_table();
  return table;
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
bool is_newer_than_table(std::string_view number) {
  unsigned latest = 0;
  for (const std::string& architecture : gpu_table().architectures)
    if (const auto known = cuda_word(architecture))
      latest = std::max(latest, to_unsigned(known->number));
  constexpr unsigned kBeyondBelief = 300;  // "409" is a slip of the hand
  const unsigned value = to_unsigned(number);
  return value > latest && value < kBeyondBelief;
}

std::optional<ArchitectureList> resolve_cuda(const CudaWord& word) {
  if (word.suffix == 'f') {
    for (const NamedList& family : gpu_table().families)
      if (family.name == word.number + "f") return family.architectures;
  }
  const std::string architecture = dotted(word.number);
  const auto& known = gpu_table().architectures;
  if (std::ranges::find(known, architecture) == known.end() && !is_newer_than_table(word.number))
    return std::nullopt;
  return ArchitectureList{architecture};
}

const GpuProduct* find_product(std::string_view name) {
  for (const GpuProduct& product : gpu_table().products)
    if (product.name == name || std::ranges::find(product.aliases, name) != product.aliases.end())
      return &product;
  return nullptr;
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
const GpuProduct* find_without_memory(std::string_view name) {
  if (!name.ends_with("gb")) return nullptr;
  name.remove_suffix(2);
  for (int digits = 0; digits < 3 && !name.empty() && all_digits(name.substr(name.size() - 1));
       ++digits) {
    name.remove_suffix(1);
    if (const GpuProduct* product = find_product(name)) return product;
    std::string stripped(name);
    while (strip_decoration(stripped))
      if (const GpuProduct* product = find_product(stripped)) return product;
  }
  return nullptr;
}

const GpuProduct* find_product_as_typed(std::string name) {
  do {
    if (const GpuProduct* product = find_product(name)) return product;
    if (const GpuProduct* product = find_without_memory(name)) return product;
  } while (strip_decoration(name));
  return nullptr;
}

/// "gfx942", or a family as AMD's packages write it: "gfx11xx", "gfx94X".
std::optional<ArchitectureList> resolve_amd(std::string_view word) {
  constexpr std::string_view kGfx = "gfx";
  const std::string name = plain_spelling(word.substr(0, word.find(':')));
  if (!name.starts_with(kGfx)) return std::nullopt;
  ArchitectureList out;
  for (const std::string& known : gpu_table().architectures)
    if (known.starts_with(kGfx) &&
        std::ranges::equal(std::string_view(name).substr(kGfx.size()),
                           std::string_view(known).substr(kGfx.size()),
                           [](char open, char digit) { return open == digit || open == 'x'; }))
      out.push_back(known);
  if (out.empty()) return std::nullopt;
  return out;
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const GpuProduct& product : gpu_table().products) {
    names.push_back(product.name);
    names.insert(names.end(), product.aliases.begin(), product.aliases.end());
  }
  for (const NamedList& preset : gpu_table().presets) names.push_back(preset.name);
  for (const std::string& architecture : gpu_table().architectures)
    names.push_back(architecture.starts_with("gfx") ? architecture
                                                    : "sm" + plain_spelling(architecture));
  return names;
}

}  // namespace

const std::vector<GpuProduct>& gpu_products() {
  return gpu_table().products;
}

Result<std::vector<std::string>> resolve_gpu_word(std::string_view word) {
  const std::string name = plain_spelling(word);
  if (name.empty()) return fail(Code::kUsage, "empty GPU name");
  if (const GpuProduct* product = find_product_as_typed(name))
    return ArchitectureList{product->architecture};
  for (const NamedList& preset : gpu_table().presets)
    if (preset.name == name) return preset.architectures;
  if (const auto cuda = cuda_word(word)) {
    if (auto architectures = resolve_cuda(*cuda)) return *std::move(architectures);
  }
  if (auto architectures = resolve_amd(word)) return *std::move(architectures);

  std::vector<std::string> near = near_matches(name, all_names(), 3);
  for (std::string& match : near)
    if (match.starts_with("sm") && all_digits(std::string_view(match).substr(2)))
      match.insert(2, "_");
  return fail(Code::kUsage, "'{}' is no GPU or architecture that flense knows", word)
      .hint(near.empty() ? "name an architecture (sm_90, gfx942) or a product (h100, mi300x)"
                         : fmt::format("did you mean {}?", fmt::join(near, " or ")));
}

std::string driver_floor_for_cuda(std::string_view cuda_version) {
  const auto first_dot = cuda_version.find('.');
  if (first_dot == std::string_view::npos) return {};
  const auto second_dot = cuda_version.find('.', first_dot + 1);
  const std::string_view minor_version = cuda_version.substr(0, second_dot);
  std::uint64_t wanted = 0;
  if (second_dot != std::string_view::npos) {
    const std::string_view update = cuda_version.substr(second_dot + 1);
    if (!all_digits(update)) return {};
    wanted = to_unsigned(update);
  }
  const auto json = text::parse_json(embedded_table("cuda_driver"), "data/cuda_driver.json");
  if (!json) return {};
  std::string floor;
  for (const text::Json& row : (*json)["toolkits"]["rows"].items()) {
    if (row["cuda"].text() != minor_version) continue;
    const std::uint64_t update = row["update"].unsigned_or(0);
    if (update == wanted) return std::string(row["driver"].text());
    if (update == 0) floor = row["driver"].text();
  }
  return floor;
}

std::string cuda_of_driver(std::string_view driver) {
  const std::string_view branch = driver.substr(0, driver.find('.'));
  if (!all_digits(branch) || branch.size() > 5) return {};
  const auto json = text::parse_json(embedded_table("cuda_driver"), "data/cuda_driver.json");
  if (!json) return {};
  for (const text::Json& row : (*json)["branches"]["rows"].items())
    if (row["branch"].unsigned_or(0) == to_unsigned(branch))
      return std::string(row["cuda_native"].text());
  return {};
}

}  // namespace flense::knowledge
