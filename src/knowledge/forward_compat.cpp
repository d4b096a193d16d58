#include "knowledge/forward_compat.h"

#include <algorithm>
#include <charconv>

#include "base/format.h"
#include "knowledge/drivers.h"
#include "knowledge/spelling.h"

namespace flense::knowledge {

namespace {

using text::Json;
constexpr std::string_view kCompatTable = "forward_compat";
constexpr std::size_t kMaxModel = 256;

std::optional<CompatCell> cell_of(std::string_view letter) {
  if (letter == "C") return CompatCell::kSupported;
  if (letter == "N") return CompatCell::kNative;
  if (letter == "X") return CompatCell::kTooOld;
  return std::nullopt;
}

GpuClass::Guide guide_of(std::string_view word) {
  if (word == "yes") return GpuClass::Guide::kYes;
  if (word == "select") return GpuClass::Guide::kSelect;
  if (word == "own") return GpuClass::Guide::kOwnPackages;
  if (word == "no") return GpuClass::Guide::kNo;
  return GpuClass::Guide::kUnnamed;
}

CompatRow compat_row(const TableSet& tables, const Json& row) {
  CompatRow out;
  out.cuda = row["cuda"].text();
  for (const auto& [branch, letter] : row["cells"].members()) {
    std::uint64_t number = 0;
    std::from_chars(branch.data(), branch.data() + branch.size(), number);
    if (const auto cell = cell_of(letter.text()); cell && number != 0) out.cells[number] = *cell;
  }
  out.source = row_source(tables, kCompatTable, "matrix", "CUDA " + out.cuda, row);
  return out;
}

GpuClass gpu_class(const TableSet& tables, const Json& row) {
  GpuClass out;
  out.name = row["class"].text();
  out.guide = guide_of(row["guide"].text());
  for (const Json& word : row["words"].items()) out.words.emplace_back(word.text());
  for (const Json& product : row["products"].items()) out.products.emplace_back(product.text());
  for (const Json& brand : row["brands"].items()) out.brands.push_back(brand.unsigned_or(0));
  out.source = row_source(tables, kCompatTable, "classes", out.name, row);
  return out;
}

/// "NVIDIA A100-SXM4-40GB" -> "nvidia", "a100", "sxm4", "40gb".
std::vector<std::string> words_of(std::string_view model) {
  std::vector<std::string> out;
  while (!model.empty()) {
    const std::size_t end = model.find_first_of(" -_()/");
    if (std::string word = plain_spelling(model.substr(0, end)); !word.empty())
      out.push_back(std::move(word));
    model.remove_prefix(end == std::string_view::npos ? model.size() : end + 1);
  }
  return out;
}

}  // namespace

ForwardCompat ForwardCompat::read(const TableSet& tables) {
  ForwardCompat out;
  const Json& table = tables.table(kCompatTable);
  out.date = table["date"].text();
  for (const Json& row : table["matrix"]["rows"].items())
    out.matrix.push_back(compat_row(tables, row));
  for (const Json& row : table["classes"]["rows"].items())
    out.classes.push_back(gpu_class(tables, row));
  for (const Json& row : table["brands"]["rows"].items())
    out.brands.push_back({row["number"].unsigned_or(0), std::string(row["name"].text())});
  const Json& hook = table["hook"];
  out.unmounted_toolkit = hook["first_unmounted"].text();
  out.hook_toolkit = hook["first_toolkit"].text();
  out.note_toolkit = hook["note_toolkit"].text();
  out.note_drivers_toolkit = hook["note_drivers_toolkit"].text();
  out.hook_folder = hook["folder"].text();
  out.hook_source = row_source(tables, kCompatTable, "hook", "enable-cuda-compat", hook);
  return out;
}

const CompatRow* ForwardCompat::row(std::string_view cuda) const {
  const auto at = std::ranges::find(matrix, cuda, &CompatRow::cuda);
  return at == matrix.end() ? nullptr : &*at;
}

const GpuClass* ForwardCompat::class_of(std::string_view model) const {
  const std::vector<std::string> words = words_of(model.substr(0, kMaxModel));
  // A brand word decides ("GeForce RTX 5070 Laptop"); then the longest product name that is some
  // consecutive words, as models without a brand word are found ("RTX 4090", "H100 80GB HBM3").
  for (const GpuClass& row : classes)
    for (const std::string& word : row.words)
      if (std::ranges::find(words, word) != words.end()) return &row;
  const GpuClass* best = nullptr;
  std::size_t length = 0;
  for (std::size_t first = 0; first < words.size(); ++first) {
    std::string joined;
    for (std::size_t i = first; i < words.size(); ++i) {
      joined += words[i];
      if (joined.size() <= length) continue;
      for (const GpuClass& row : classes)
        if (std::ranges::find(row.products, joined) != row.products.end()) {
          best = &row;
          length = joined.size();
        }
    }
  }
  return best;
}

std::string_view ForwardCompat::brand_name(std::uint64_t number) const {
  const auto at = std::ranges::find(brands, number, &Brand::number);
  return at == brands.end() ? std::string_view("unknown") : std::string_view(at->name);
}

}  // namespace flense::knowledge
